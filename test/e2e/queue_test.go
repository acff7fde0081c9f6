package e2e

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/install"
)

// span is when a phase was under way.
type span struct {
	run        string
	deployment bool
	from, to   time.Time
}

// spans are those of a tenant's phases, in the order of their begin.
func (t *tenant) spans(ctx context.Context) []span {
	GinkgoHelper()
	var phases v1alpha1.PhaseList
	Expect(suite.Client.List(ctx, &phases, client.InNamespace(t.namespace))).To(Succeed())
	var spans []span
	for _, phase := range phases.Items {
		if phase.Status.StartTime != nil && phase.Status.CompletionTime != nil {
			spans = append(spans, span{phase.Spec.Run.Name, phase.Spec.Type == v1alpha1.PhaseDeployment, phase.Status.StartTime.Time, phase.Status.CompletionTime.Time})
		}
	}
	slices.SortStableFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	return spans
}

// deploysAlone checks that nothing of another run was under way in the tenant while one deployed. Times are those of the
// API, to the second.
func (t *tenant) deploysAlone(ctx context.Context) {
	GinkgoHelper()
	spans := t.spans(ctx)
	for i, a := range spans {
		for _, b := range spans[i+1:] {
			if (a.deployment || b.deployment) && a.run != b.run {
				Expect(b.from).To(BeTemporally(">=", a.to), "%+v and %+v in %s", a, b, t.namespace)
			}
		}
	}
}

var _ = Describe("Runs of one tenant", func() {
	It("of two links deploy one after the other, and say for whom they wait", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.service(ctx, "web")
		t.service(ctx, "api")
		var runs []*v1alpha1.CIRun
		var links []string
		for _, role := range []string{"web", "api"} {
			r := newRepository(ctx, map[string]string{"ci.sh": script("echo $PHASE"), configFile: workflow(build, deploy, verify), descriptionFile: description(role)})
			links = append(links, t.link(ctx, r))
			runs = append(runs, install.NewRun(t.namespace, "of-"+role, links[len(links)-1], r.sha))
		}
		for _, run := range runs {
			Expect(suite.Client.Create(ctx, run)).To(Succeed())
		}
		waited := false
		Eventually(func(g Gomega, ctx context.Context) {
			for _, run := range runs {
				g.Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(run), run)).To(Succeed())
				waited = waited || run.Status.State == v1alpha1.RunQueued && run.Status.WaitingFor != ""
			}
			g.Expect(waited).To(BeTrue())
		}).WithContext(ctx).WithPolling(20 * time.Millisecond).Should(Succeed())
		for _, run := range runs {
			succeeded(ctx, run)
		}
		t.deploysAlone(ctx)
	})
})

var _ = Describe("Many runs", func() {
	It("200 in 20 tenants, come to their end in the order in which they were made", func(ctx SpecContext) {
		const tenants, each = 20, 10
		r := newRepository(ctx, map[string]string{"ci.sh": "#!/bin/sh\n", configFile: workflow(build, deploy), descriptionFile: description("web")})
		var all []*tenant
		var link string // of the same name in all
		for range tenants {
			t := newTenant(ctx, "DEV")
			t.service(ctx, "web")
			link = t.link(ctx, r)
			all = append(all, t)
		}
		began := time.Now()
		for i := range each {
			for _, t := range all {
				Expect(suite.Client.Create(ctx, install.NewRun(t.namespace, fmt.Sprintf("run-%02d", i), link, r.sha))).To(Succeed())
			}
		}
		for _, t := range all {
			Eventually(func(g Gomega, ctx context.Context) {
				var runs v1alpha1.CIRunList
				g.Expect(suite.Client.List(ctx, &runs, client.InNamespace(t.namespace))).To(Succeed())
				for _, run := range runs.Items {
					g.Expect(run.Status.State).To(Equal(v1alpha1.RunSucceeded), "%s: %s", run.Name, run.Status.WaitingFor)
				}
			}).WithContext(ctx).WithTimeout(8 * time.Minute).WithPolling(time.Second).Should(Succeed())
		}
		AddReportEntry(fmt.Sprintf("%d runs in %d tenants", tenants*each, tenants), time.Since(began).Round(time.Second).String())
		for _, t := range all {
			t.deploysAlone(ctx)
			var order []string
			for _, s := range t.spans(ctx) {
				if s.deployment {
					order = append(order, s.run)
				}
			}
			Expect(order).To(HaveLen(each))
			Expect(slices.IsSorted(order)).To(BeTrue(), "%v", order)
		}
	}, NodeTimeout(15*time.Minute))
})

var _ = Describe("A cap on the cluster's builders", Serial, func() {
	It("is kept, and one tenant's many runs do not keep another's single one waiting", func(ctx SpecContext) {
		Expect(suite.Katkit(ctx, suite.images, "--max-builders=3")).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(suite.Katkit(ctx, suite.images)).To(Succeed()) })
		g := newGate(ctx)
		r := newRepository(ctx, map[string]string{"ci.sh": script(g.wait()), configFile: workflow(build)})
		big, small := newTenant(ctx, "DEV"), newTenant(ctx, "DEV")
		var runs []*v1alpha1.CIRun
		bigLink, smallLink := big.link(ctx, r), small.link(ctx, r)
		for range 6 {
			runs = append(runs, big.run(ctx, bigLink, r.sha))
		}
		Eventually(func(g Gomega, ctx context.Context) {
			waiting := 0
			for _, run := range runs {
				g.Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(run), run)).To(Succeed())
				if run.Status.State == v1alpha1.RunQueued {
					g.Expect(run.Status.WaitingFor).To(ContainSubstring("of the cluster's 3 builders are in use"))
					waiting++
				}
			}
			g.Expect(waiting).To(Equal(4), "two have builders, and the last builder is kept for others")
		}).WithContext(ctx).Should(Succeed())

		asked := time.Now()
		single := small.run(ctx, smallLink, r.sha)
		awaitPhase(ctx, single, "BUILD", v1alpha1.PhaseRunning)
		Expect(time.Since(asked)).To(BeNumerically("<", 5*time.Second))
		g.open(ctx)
		for _, run := range append(runs, single) {
			succeeded(ctx, run)
		}
	})

	It("lets a single run begin within seconds though another tenant has just asked for a thousand", func(ctx SpecContext) {
		const crowd = 1000
		Expect(suite.Katkit(ctx, suite.images, "--max-builders=3")).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(suite.Katkit(ctx, suite.images)).To(Succeed()) })
		r := newRepository(ctx, map[string]string{"ci.sh": script("sleep 600"), configFile: workflow(build)})
		quick := newRepository(ctx, map[string]string{"ci.sh": "#!/bin/sh\n", configFile: workflow(build)})
		big, small := newTenant(ctx, "DEV"), newTenant(ctx, "DEV")
		bigLink, smallLink := big.link(ctx, r), small.link(ctx, quick)
		var writers sync.WaitGroup
		for writer := range 8 {
			writers.Go(func() {
				defer GinkgoRecover()
				for i := writer; i < crowd; i += 8 {
					Expect(suite.Client.Create(ctx, install.NewRun(big.namespace, fmt.Sprintf("run-%04d", i), bigLink, r.sha))).To(Succeed())
				}
			})
		}
		writers.Wait()

		asked := time.Now()
		single := small.run(ctx, smallLink, quick.sha)
		awaitPhase(ctx, single, "BUILD", v1alpha1.PhaseRunning)
		AddReportEntry("a single run behind a thousand begins after", time.Since(asked).Round(10*time.Millisecond).String())
		Expect(time.Since(asked)).To(BeNumerically("<", 5*time.Second))
		succeeded(ctx, single)
	}, NodeTimeout(10*time.Minute))
})
