package network

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// The begins of the names that kube-router gives to its chains and sets.
var (
	policyChains = []string{"KUBE-ROUTER-", "KUBE-NWPLCY-", "KUBE-POD-FW-"}
	policySets   = []string{"KUBE-SRC-", "KUBE-DST-"}
)

// RemovePolicies removes from the cluster's namespace the rules by which NetworkPolicies are enforced. It may be called when none are there.
func RemovePolicies() error {
	return inNamespace(func() error {
		rules, err := exec.Command("iptables-save", "-t", "filter").Output()
		if err != nil {
			return fmt.Errorf("iptables-save: %w", err)
		}
		if script := withoutPolicies(string(rules)); script != "" {
			restore := exec.Command("iptables-restore", "--wait", "10", "--noflush")
			restore.Stdin = strings.NewReader(script)
			if out, err := restore.CombinedOutput(); err != nil {
				return fmt.Errorf("iptables-restore: %w: %s", err, out)
			}
		}
		sets, err := exec.Command("ipset", "list", "-name").Output()
		if errors.Is(err, exec.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("ipset list: %w", err)
		}
		for _, set := range strings.Fields(string(sets)) {
			if begins(set, policySets) {
				if err := run("ipset", "destroy", set); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// withoutPolicies makes of what `iptables-save` prints the input of `iptables-restore --noflush` that takes the chains of policies and
// the ways into them away; "" when there are none.
func withoutPolicies(saved string) string {
	var jumps, flushes, deletes strings.Builder
	for line := range strings.Lines(saved) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case strings.HasPrefix(fields[0], ":") && begins(fields[0][1:], policyChains):
			fmt.Fprintf(&flushes, "-F %s\n", fields[0][1:])
			fmt.Fprintf(&deletes, "-X %s\n", fields[0][1:])
		case fields[0] == "-A" && !begins(fields[1], policyChains) && begins(fields[len(fields)-1], policyChains):
			jumps.WriteString("-D" + strings.TrimPrefix(line, "-A"))
		}
	}
	if deletes.Len() == 0 {
		return ""
	}
	return "*filter\n" + jumps.String() + flushes.String() + deletes.String() + "COMMIT\n"
}

func begins(name string, with []string) bool {
	return slices.ContainsFunc(with, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}
