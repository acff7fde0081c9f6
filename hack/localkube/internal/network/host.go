package network

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// Namespace is the network namespace's name, as `ip netns` shows it.
	Namespace = "localkube"
	// NamespaceFile is how the namespace is entered.
	NamespaceFile = "/run/netns/" + Namespace
	// Device is the machine's end of the link.
	Device = "localkube0"
	// Comment marks the machine's firewall rules that are ours.
	Comment = "localkube"
)

// peer is the cluster's end of the link, in the namespace.
const peer = "eth0"

// Exists tells whether the namespace and the link are there.
func Exists() bool {
	var fs unix.Statfs_t
	if unix.Statfs(NamespaceFile, &fs) != nil || fs.Type != unix.NSFS_MAGIC {
		return false
	}
	_, err := os.Stat("/sys/class/net/" + Device)
	return err == nil
}

// Check returns an error when the plan would hide networks that the machine uses.
func Check(plan Plan) error {
	uses, err := machineUses()
	if err != nil {
		return err
	}
	return plan.Clash(uses)
}

// Ensure makes what is missing of namespace, link, routes and rules, and returns the link's MTU in bytes.
// stateFile is where former kernel settings are kept for Remove.
func Ensure(plan Plan, stateFile string) (mtu int, err error) {
	mtu = machineMTU()
	if !Exists() {
		if err := create(mtu); err != nil {
			return 0, err
		}
	}
	if err := configure(plan); err != nil {
		return 0, err
	}
	if err := setSysctl("net/ipv4/ip_forward", "1", stateFile); err != nil {
		return 0, err
	}
	return mtu, ensureRules(plan)
}

// create makes namespace and link anew.
func create(mtu int) error {
	_ = run("ip", "link", "del", Device) // half of an earlier try
	_ = run("ip", "netns", "del", Namespace)
	_ = os.Remove(NamespaceFile) // a file that is no namespace: the machine stopped in between
	if err := run("ip", "netns", "add", Namespace); err != nil {
		return err
	}
	size := strconv.Itoa(mtu)
	return run("ip", "link", "add", Device, "mtu", size, "type", "veth", "peer", "name", peer, "mtu", size, "netns", Namespace)
}

// configure gives both ends their addresses and routes. On a link that has them it changes nothing.
func configure(plan Plan) error {
	for _, args := range [][]string{
		{"-n", Namespace, "link", "set", "lo", "up"},
		{"-n", Namespace, "addr", "replace", plan.Node.String() + "/30", "dev", peer},
		{"-n", Namespace, "link", "set", peer, "up"},
		{"-n", Namespace, "route", "replace", "default", "via", plan.Host.String()},
		{"addr", "replace", plan.Host.String() + "/30", "dev", Device},
		{"link", "set", Device, "up"},
		{"route", "replace", plan.Services.String(), "via", plan.Node.String()},
		{"route", "replace", plan.Pods.String(), "via", plan.Node.String()},
	} {
		if err := run("ip", args...); err != nil {
			return err
		}
	}
	return inNamespace(func() error {
		return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
	})
}

// rules lets Pods out to where the machine can go, and nobody in but the machine itself: the registry and
// some ports of components ask for no password. Without the rules everything works that stays inside.
func rules(plan Plan) [][]string {
	all := plan.Prefix.String()
	return [][]string{
		{"nat", "POSTROUTING", "-s", all, "!", "-d", all, "-j", "MASQUERADE"},
		{"filter", "FORWARD", "-o", Device, "-j", "DROP"},
		{"filter", "FORWARD", "-o", Device, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"},
		{"filter", "FORWARD", "-i", Device, "-j", "ACCEPT"},
	}
}

// ensureRules inserts the rules, the last of them at the top. When one is missing all are made anew, since
// their order matters.
func ensureRules(plan Plan) error {
	missing := slices.ContainsFunc(rules(plan), func(rule []string) bool { return iptables("-C", rule) != nil })
	if !missing {
		return nil
	}
	if err := removeRules(); err != nil {
		return err
	}
	for _, rule := range rules(plan) {
		if err := iptables("-I", rule); err != nil {
			return err
		}
	}
	return nil
}

// iptables does something (a verb of iptables) with a rule: table, chain and what follows.
func iptables(verb string, rule []string) error {
	args := slices.Concat([]string{"-w", "10", "-t", rule[0], verb}, rule[1:], []string{"-m", "comment", "--comment", Comment})
	return run("iptables", args...)
}

// Remove takes away all that Ensure made on the machine. It may be called when nothing is there.
func Remove(stateFile string) error {
	failed := []error{removeRules()}
	if _, err := os.Stat("/sys/class/net/" + Device); err == nil {
		failed = append(failed, run("ip", "link", "del", Device))
	}
	if _, err := os.Stat(NamespaceFile); err == nil {
		failed = append(failed, run("ip", "netns", "del", Namespace))
	}
	return errors.Join(append(failed, RestoreSysctl(stateFile))...)
}

// removeRules removes every rule that carries our comment, in whatever form it is.
func removeRules() error {
	for _, table := range []string{"nat", "filter"} {
		out, err := exec.Command("iptables", "-w", "10", "-t", table, "-S").Output()
		if err != nil {
			continue // no iptables, no rules
		}
		for _, args := range ownRules(string(out)) {
			if err := run("iptables", append([]string{"-w", "10", "-t", table, "-D"}, args...)...); err != nil {
				return err
			}
		}
	}
	return nil
}

// ownRules finds our rules in what `iptables -S` prints, and returns each from its chain on.
func ownRules(listing string) (rules [][]string) {
	for line := range strings.Lines(listing) {
		fields := strings.Fields(line)
		i := slices.Index(fields, "--comment")
		if len(fields) > 2 && fields[0] == "-A" && i >= 0 && i+1 < len(fields) && fields[i+1] == Comment {
			rules = append(rules, fields[1:])
		}
	}
	return rules
}

// inNamespace runs f in the cluster's network namespace, on a thread that ends with it.
func inNamespace(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread must not be used for anything else
		fd, err := unix.Open(NamespaceFile, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			result <- err
			return
		}
		defer unix.Close(fd)
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("enter network namespace %s: %w", Namespace, err)
			return
		}
		result <- f()
	}()
	return <-result
}

// machineUses lists the routes, addresses and name servers of the machine, without our own.
func machineUses() ([]Use, error) {
	var uses []Use
	for _, args := range [][]string{{"-4", "route", "show", "table", "all"}, {"-4", "addr", "show"}} {
		out, err := exec.Command("ip", append([]string{"-j"}, args...)...).Output()
		if err != nil {
			return nil, fmt.Errorf("ip %s: %w", strings.Join(args, " "), err)
		}
		found, err := parseUses(out)
		if err != nil {
			return nil, err
		}
		uses = append(uses, found...)
	}
	for _, server := range NameServers() {
		if addr, err := netip.ParseAddr(server); err == nil {
			uses = append(uses, Use{netip.PrefixFrom(addr, addr.BitLen()), "name server"})
		}
	}
	return uses, nil
}

// parseUses reads the JSON of `ip -j route` and `ip -j addr`, which differ in their fields.
func parseUses(out []byte) ([]Use, error) {
	var entries []struct {
		Dst      string
		Dev      string
		Ifname   string
		AddrInfo []struct {
			Local     string
			Prefixlen int
		} `json:"addr_info"`
	}
	if err := json.Unmarshal(out, &entries); err != nil {
		return nil, fmt.Errorf("output of ip: %w", err)
	}
	var uses []Use
	for _, e := range entries {
		if e.Dev == Device || e.Ifname == Device {
			continue
		}
		where := strings.TrimSpace("route " + e.Dev)
		if p, err := netip.ParsePrefix(e.Dst); err == nil {
			uses = append(uses, Use{p, where})
		} else if a, err := netip.ParseAddr(e.Dst); err == nil {
			uses = append(uses, Use{netip.PrefixFrom(a, a.BitLen()), where})
		}
		for _, info := range e.AddrInfo {
			if a, err := netip.ParseAddr(info.Local); err == nil {
				uses = append(uses, Use{netip.PrefixFrom(a, info.Prefixlen).Masked(), "address of " + e.Ifname})
			}
		}
	}
	return uses, nil
}

// NameServers returns the machine's name servers that can be reached from another network namespace:
// where a local stub answers, those behind it, as systemd-resolved records them.
func NameServers() []string {
	for _, file := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"} {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		servers := parseNameServers(bufio.NewScanner(f))
		f.Close()
		if len(servers) > 0 {
			return servers
		}
	}
	return nil
}

func parseNameServers(lines *bufio.Scanner) (servers []string) {
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if addr, err := netip.ParseAddr(fields[1]); err == nil && addr.Is4() && !addr.IsLoopback() {
			servers = append(servers, fields[1])
		}
	}
	return servers
}

// machineMTU is the MTU of the interface of the default route: packets of Pods must fit through it.
func machineMTU() int {
	const usual = 1500
	out, err := exec.Command("ip", "-j", "-4", "route", "show", "default").Output()
	var routes []struct{ Dev string }
	if err != nil || json.Unmarshal(out, &routes) != nil || len(routes) == 0 {
		return usual
	}
	data, err := os.ReadFile(filepath.Join("/sys/class/net", routes[0].Dev, "mtu"))
	if err != nil {
		return usual
	}
	if mtu, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && mtu < usual {
		return mtu
	}
	return usual
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
