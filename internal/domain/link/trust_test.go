package link_test

import (
	"fmt"
	"testing"

	"katkit.dev/katkit/internal/domain/link"
)

// actors are those of the trust matrix.
func actors() map[string]link.Actor {
	person := func(id int64, level string) link.Actor {
		return link.Actor{ID: id, Permission: link.Permission{UserID: id, Level: level}}
	}
	bot := person(5, link.LevelWrite)
	bot.Bot, bot.Permission.Bot = true, true
	return map[string]link.Actor{
		"owner": person(1, link.LevelAdmin), "writer": person(2, link.LevelWrite), "reader": person(3, "read"), "stranger": person(4, "none"), "bot": bot,
	}
}

func TestTrusts(t *testing.T) {
	type key struct {
		actor       string
		fork, named bool
	}
	trusted := map[key]bool{
		{"owner", false, false}: true, {"writer", false, false}: true,
		{"owner", false, true}: true, {"writer", false, true}: true,
		{"owner", true, true}: true, {"writer", true, true}: true,
	}
	for name, actor := range actors() {
		for _, fork := range []bool{false, true} {
			for _, named := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, fork %t, named %t", name, fork, named), func(t *testing.T) {
					if got := link.Trusts(link.Change{Fork: fork, Named: named, Actor: actor}); got != trusted[key{name, fork, named}] {
						t.Errorf("trusts: %t", got)
					}
				})
			}
		}
	}
}

func TestMayWrite(t *testing.T) {
	for name, c := range map[string]struct {
		actor link.Actor
		want  bool
	}{
		"a writer":                                    {link.Actor{ID: 2, Permission: link.Permission{UserID: 2, Level: "write"}}, true},
		"an answer about another account":             {link.Actor{ID: 2, Permission: link.Permission{UserID: 3, Level: "admin"}}, false},
		"a deleted account":                           {link.Actor{Permission: link.Permission{Level: "admin"}}, false},
		"an account that only the answer calls a bot": {link.Actor{ID: 2, Permission: link.Permission{UserID: 2, Bot: true, Level: "admin"}}, false},
		"a level that is not known":                   {link.Actor{ID: 2, Permission: link.Permission{UserID: 2, Level: "WRITE"}}, false},
		"no answer":                                   {link.Actor{ID: 2}, false},
	} {
		if got := c.actor.MayWrite(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
