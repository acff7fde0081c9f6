package contract_test

import (
	"testing"

	"katkit.dev/katkit/internal/contract"
)

func TestMarkedNames(t *testing.T) {
	for marked, want := range map[string]contract.Sourced{
		"KATKIT_SECRET_NPM_TOKEN":           {Name: "NPM_TOKEN", Kind: contract.SourceSecret},
		"KATKIT_CONFIGMAP_REGION":           {Name: "REGION", Kind: contract.SourceConfigMap},
		"KATKIT_FROM_SECRET_0_2_A":          {Name: "2_A", Kind: contract.SourceSecret, Whole: true},
		"KATKIT_FROM_CONFIGMAP_12_tls.crt":  {Name: "tls.crt", Kind: contract.SourceConfigMap, Whole: true, Nth: 12},
		"KATKIT_SECRET_KATKIT_SECRET_A":     {Name: "KATKIT_SECRET_A", Kind: contract.SourceSecret},
		"KATKIT_FROM_SECRET_1_KATKIT_TOKEN": {Name: "KATKIT_TOKEN", Kind: contract.SourceSecret, Whole: true, Nth: 1},
	} {
		got, ok := contract.ParseMarked(marked)
		if !ok || got != want {
			t.Errorf("%s: %+v (%t), want %+v", marked, got, ok, want)
		}
		if back := want.Marked(); back != marked {
			t.Errorf("%+v is marked %s, want %s", want, back, marked)
		}
		if !contract.ReservedVariable(marked) {
			t.Errorf("a repository may set %s", marked)
		}
	}
	for _, name := range []string{"", "A", "KATKIT_RUN", "KATKIT_SECRET_", "KATKIT_FROM_SECRET_A", "KATKIT_FROM_SECRET_x_A", "KATKIT_FROM_SECRET_0_", "KATKIT_FROM_SECRET_-1_A"} {
		if got, ok := contract.ParseMarked(name); ok {
			t.Errorf("%q is read as %+v", name, got)
		}
	}
}
