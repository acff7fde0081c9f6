package queue

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// shareBuilders lets the executions that the tenants leave free begin as far as there are builders, and notes the wait of
// the others. The next builder is for the tenant that has the fewest, within it first come, first served. A tenant that has
// builders leaves the last free one to one that has none, so that nobody's long builds keep a small tenant waiting.
func (s Snapshot) shareBuilders(tenants map[string]*tenant, free []entry, turns map[types.NamespacedName]*Wait) {
	used := map[string]int32{}
	left := s.builders
	for name, t := range tenants {
		for _, active := range t.active {
			used[name] += active.builders
			left -= active.builders
		}
	}
	queues := map[string][]entry{}
	for _, e := range free {
		switch {
		case e.deployment:
		case !e.stuck:
			queues[e.tenant] = append(queues[e.tenant], e)
		case !fits(e, left, used[e.tenant], s.builders):
			// What waits for room in a quota tries by itself, and takes no builder until it has it; but there has to be one.
			turns[e.phase] = &Wait{Position: 1, Why: s.inUse(left)}
		}
	}
	position := 0
	for len(queues) > 0 {
		name := fewest(queues, used)
		next := queues[name][0]
		if queues[name] = queues[name][1:]; len(queues[name]) == 0 {
			delete(queues, name)
		}
		if position == 0 && fits(next, left, used[name], s.builders) {
			left -= next.builders
		} else {
			// Whoever comes next waits, too: a phase of many builders would never get them otherwise.
			position++
			turns[next.phase] = &Wait{Position: position, Why: s.inUse(left)}
		}
		used[name] += next.builders
	}
}

func (s Snapshot) inUse(left int32) string {
	return fmt.Sprintf("%d of the cluster's %d builders are in use", s.builders-max(left, 0), s.builders)
}

// fits tells whether a phase may begin with what is left. One that needs more than there are gets them all.
func fits(e entry, left, used, all int32) bool {
	need := min(e.builders, all)
	if used > 0 && all > 1 {
		return left > need // the last one is for a tenant that has none
	}
	return left >= need
}

// fewest is the tenant that has the fewest builders; of several the one whose run was made first.
func fewest(queues map[string][]entry, used map[string]int32) string {
	names := make([]string, 0, len(queues))
	for name := range queues {
		names = append(names, name)
	}
	return slices.MinFunc(names, func(a, b string) int {
		first, second := queues[a][0], queues[b][0]
		return cmp.Or(cmp.Compare(used[a], used[b]), first.created.Compare(second.created), cmp.Compare(a, b))
	})
}
