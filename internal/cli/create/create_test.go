package create

import (
	"strings"
	"testing"
)

func TestPrefix(t *testing.T) {
	for link, want := range map[string]string{
		"shop":                                "shop-",
		strings.Repeat("a", 57):               strings.Repeat("a", 57) + "-",
		strings.Repeat("a", 253):              strings.Repeat("a", 57) + "-",
		strings.Repeat("a", 56) + ".b":        strings.Repeat("a", 56) + "-",
		strings.Repeat("a", 54) + "-.-bcdefg": strings.Repeat("a", 54) + "-",
	} {
		if got := prefix(link); got != want || len(got)+suffix > MaxName {
			t.Errorf("prefix(%q) = %q, want %q", link, got, want)
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "shop-1": "", strings.Repeat("a", 63): "", strings.Repeat("a", 64): "it may have 63 at most", "Shop": "lower case", "a_b": "lower case",
	} {
		if err := CheckName(name); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("CheckName(%q) = %v, want %q", name, err, want)
		}
	}
}
