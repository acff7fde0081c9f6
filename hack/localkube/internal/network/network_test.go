package network

import (
	"bufio"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestPlanRangesAreApart(t *testing.T) {
	plan, err := NewPlan(DefaultPrefix)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Services.Overlaps(plan.Pods) {
		t.Errorf("Services %s and Pods %s overlap", plan.Services, plan.Pods)
	}
	for _, p := range []netip.Prefix{plan.Services, plan.Pods} {
		if p != p.Masked() || !plan.Prefix.Contains(p.Addr()) {
			t.Errorf("%s is not a network within %s", p, plan.Prefix)
		}
		if p.Contains(plan.Host) || p.Contains(plan.Node) {
			t.Errorf("the link's addresses are within %s", p)
		}
	}
	for _, a := range []netip.Addr{plan.API, plan.DNS} {
		if !plan.Services.Contains(a) {
			t.Errorf("%s is not within the Services' %s", a, plan.Services)
		}
	}
}

func TestPlanRefusesOtherNetworks(t *testing.T) {
	for _, prefix := range []string{"", "10.0.0.0", "10.0.0.0/8", "10.1.2.0/24", "10.1.2.0/16", "fd00::/16", "x/16"} {
		if _, err := NewPlan(prefix); err == nil {
			t.Errorf("NewPlan(%q) succeeded", prefix)
		}
	}
}

func TestClash(t *testing.T) {
	plan, err := NewPlan("10.213.0.0/16")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		use   string
		clash bool
	}{
		"a default route hides nothing":         {"0.0.0.0/0", false},
		"another network":                       {"10.212.0.0/16", false},
		"a network inside":                      {"10.213.7.0/24", true},
		"a network around":                      {"10.0.0.0/8", true},
		"one address inside, of a name server":  {"10.213.255.53/32", true},
		"one address outside, of a name server": {"10.214.0.53/32", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := plan.Clash([]Use{{netip.MustParsePrefix("192.0.2.0/24"), "route eth0"}, {netip.MustParsePrefix(test.use), "here"}})
			if (err != nil) != test.clash {
				t.Fatalf("Clash = %v, want clash %t", err, test.clash)
			}
			if err != nil && (!strings.Contains(err.Error(), test.use) || !strings.Contains(err.Error(), "--network")) {
				t.Errorf("error %q does not say what clashes and what to do", err)
			}
		})
	}
}

func TestParseUsesLeavesOutOurOwn(t *testing.T) {
	routes := `[{"dst":"default","gateway":"192.0.2.1","dev":"eth0"},{"dst":"192.0.2.0/24","dev":"eth0"},
		{"dst":"10.213.64.0/18","gateway":"10.213.0.2","dev":"localkube0"},{"type":"local","dst":"127.0.0.1","dev":"lo"}]`
	addresses := `[{"ifname":"tun0","addr_info":[{"local":"10.8.0.6","prefixlen":24}]},{"ifname":"localkube0","addr_info":[{"local":"10.213.0.1","prefixlen":30}]},{}]`
	var got []string
	for _, out := range []string{routes, addresses} {
		uses, err := parseUses([]byte(out))
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range uses {
			got = append(got, u.Prefix.String()+" "+u.Where)
		}
	}
	want := []string{"192.0.2.0/24 route eth0", "127.0.0.1/32 route lo", "10.8.0.0/24 address of tun0"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseNameServersLeavesOutLoopback(t *testing.T) {
	conf := "# stub\nnameserver 127.0.0.53\nnameserver ::1\nnameserver 192.0.2.53\noptions edns0\nnameserver 198.51.100.53\n"
	got := parseNameServers(bufio.NewScanner(strings.NewReader(conf)))
	if want := []string{"192.0.2.53", "198.51.100.53"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOwnRulesAreToldFromOthers(t *testing.T) {
	listing := `-P FORWARD DROP
-A FORWARD -i localkube0 -m comment --comment localkube -j ACCEPT
-A FORWARD -i docker0 -m comment --comment "not localkube" -j ACCEPT
-A FORWARD -i eth1 -m comment --comment localkube-other -j DROP
-A FORWARD -o localkube0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT -m comment --comment localkube
`
	var got []string
	for _, rule := range ownRules(listing) {
		got = append(got, strings.Join(rule, " "))
	}
	want := []string{
		"FORWARD -i localkube0 -m comment --comment localkube -j ACCEPT",
		"FORWARD -o localkube0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT -m comment --comment localkube",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
