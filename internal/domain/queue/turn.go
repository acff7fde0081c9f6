package queue

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// exactPositions is up to which position a place in the queue is told exactly. Further back it is rounded, and told by the
// run directly ahead, so that a long queue is not written anew at each of its steps.
const exactPositions = 3

// Wait tells why it is not a Phase's turn.
type Wait struct {
	// Run that is waited for; "" when it is for a builder.
	Run string
	// Position among those that wait, from 1.
	Position int
	// Why, in words.
	Why string
}

// String tells a person.
func (w Wait) String() string { return fmt.Sprintf("%s (position %s)", w.Why, rounded(w.Position)) }

// rounded is a position as it is told: 1, 2, 3, then about 5, 10, 20, 50, 100 and so on.
func rounded(position int) string {
	if position <= exactPositions {
		return fmt.Sprint(position)
	}
	for step := 5; ; step *= 10 {
		for _, bound := range []int{step, 2 * step, 4 * step} {
			if position <= bound {
				return fmt.Sprintf("about %d", bound)
			}
		}
	}
}

// Turns tells of every Phase that is ready to begin why it waits; nil where it is its turn. Phases that are under way, or
// not ready, are not in it.
func (s Snapshot) Turns() map[types.NamespacedName]*Wait {
	tenants := map[string]*tenant{}
	for _, e := range s.entries {
		t := tenants[e.phase.Namespace]
		if t == nil {
			t = &tenant{}
			tenants[e.phase.Namespace] = t
		}
		t.add(e)
	}
	turns := map[types.NamespacedName]*Wait{}
	var free []entry
	for _, t := range tenants {
		free = append(free, t.turns(s.planned, turns)...)
	}
	if s.builders > 0 {
		s.shareBuilders(tenants, free, turns)
	}
	return turns
}

// Knows tells whether a Phase is under way or ready to begin, as far as is to be seen here.
func (s Snapshot) Knows(phase types.NamespacedName) bool {
	return slices.ContainsFunc(s.entries, func(e entry) bool { return e.phase == phase })
}

// tenant is the lease of a tenant: who has it, and who waits.
type tenant struct {
	active, waiting []entry
}

func (t *tenant) add(e entry) {
	if e.active {
		t.active = append(t.active, e)
	} else {
		t.waiting = append(t.waiting, e)
	}
}

// turns notes the wait of everyone that waits for the tenant, and returns the others.
func (t *tenant) turns(planned []ticket, turns map[types.NamespacedName]*Wait) []entry {
	byTicket := func(a, b entry) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.run, b.run), cmp.Compare(a.phase.Name, b.phase.Name))
	}
	slices.SortFunc(t.waiting, byTicket)
	slices.SortFunc(t.active, byTicket)
	var free []entry
	var ahead []ticket // of the runs that wait, in their order
	for i, e := range t.waiting {
		others := ahead
		if last := len(ahead) - 1; last >= 0 && ahead[last].uid == e.uid {
			others = ahead[:last] // side by side with another phase of its run
		} else {
			ahead = append(ahead, e.ticket)
		}
		wait := t.wait(i, planned)
		turns[e.phase] = wait
		if wait == nil {
			free = append(free, e)
			continue
		}
		if wait.Position = len(others) + 1; wait.Position > exactPositions {
			last := others[len(others)-1]
			wait.Run, wait.Why = last.run, fmt.Sprintf("run %s comes first in %s", last.run, e.tenant)
		}
	}
	return free
}

// wait tells who is in the way of the waiting entry of an index, by the first rule that applies.
func (t *tenant) wait(i int, planned []ticket) *Wait {
	e := t.waiting[i]
	for _, rule := range []func(entry, []entry, []ticket) *Wait{t.deploymentUnderWay, t.executionUnderWay, earlierWaiting, earlierRunOfLink} {
		if wait := rule(e, t.waiting[:i], planned); wait != nil {
			return wait
		}
	}
	return nil
}

// deploymentUnderWay: a deployment has the tenant for itself.
func (t *tenant) deploymentUnderWay(e entry, _ []entry, _ []ticket) *Wait {
	for _, active := range t.active {
		if active.deployment && active.uid != e.uid {
			return &Wait{Run: active.run, Why: fmt.Sprintf("run %s is deploying to %s", active.run, active.tenant)}
		}
	}
	return nil
}

// executionUnderWay: a deployment begins when what runs in the tenant has ended.
func (t *tenant) executionUnderWay(e entry, _ []entry, _ []ticket) *Wait {
	for _, active := range t.active {
		if e.deployment && active.uid != e.uid {
			return &Wait{Run: active.run, Why: fmt.Sprintf("a deployment has the tenant for itself, and run %s is under way in %s", active.run, active.tenant)}
		}
	}
	return nil
}

// earlierWaiting: a deployment does not overtake who came first, and nobody overtakes a deployment.
func earlierWaiting(e entry, earlier []entry, _ []ticket) *Wait {
	for _, other := range earlier {
		if other.uid != e.uid && !other.stuck && (e.deployment || other.deployment) {
			return &Wait{Run: other.run, Why: fmt.Sprintf("run %s came first and waits in %s", other.run, other.tenant)}
		}
	}
	return nil
}

// earlierRunOfLink: the deployments of a link keep the order of its runs.
func earlierRunOfLink(e entry, _ []entry, planned []ticket) *Wait {
	if !e.deployment {
		return nil
	}
	var first *ticket
	for i, other := range planned {
		if other.tenant == e.tenant && other.link == e.link && other.uid != e.uid && other.before(e.ticket) && (first == nil || other.before(*first)) {
			first = &planned[i]
		}
	}
	if first == nil {
		return nil
	}
	return &Wait{Run: first.run, Why: fmt.Sprintf("run %s of the same link came first and has yet to deploy", first.run)}
}
