package agent

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVariablesOfSecretsAndConfigMaps(t *testing.T) {
	for name, c := range map[string]struct {
		given, all, secrets, refused []string
	}{
		"none": {given: []string{"A=1", "B=x=y", "KATKIT_GRACE_SECONDS=5"}, all: []string{"A=1", "B=x=y"}},
		"a key of each": {given: []string{"KATKIT_SECRET_TOKEN=t=1\n2", "KATKIT_CONFIGMAP_REGION=eu"},
			all: []string{"REGION=eu", "TOKEN=t=1\n2"}, secrets: []string{"t=1\n2"}},
		"all keys": {given: []string{"KATKIT_FROM_SECRET_0_A=1", "KATKIT_FROM_CONFIGMAP_1_B=2", "KATKIT_FROM_SECRET_2_tls.key=3"},
			all: []string{"A=1", "B=2", "tls.key=3"}, secrets: []string{"1", "3"}},
		"the later of two": {given: []string{"KATKIT_FROM_CONFIGMAP_10_A=later", "KATKIT_FROM_SECRET_2_A=sooner"},
			all: []string{"A=later"}, secrets: []string{"sooner"}},
		"a key by itself over all keys": {given: []string{"KATKIT_CONFIGMAP_A=own", "KATKIT_FROM_SECRET_0_A=all"},
			all: []string{"A=own"}, secrets: []string{"all"}},
		"all keys over the image and the class": {given: []string{"A=class", "KATKIT_FROM_SECRET_0_A=secret", "KATKIT_FIXED_VARIABLES=B"},
			all: []string{"A=secret"}, secrets: []string{"secret"}},
		"what the link, the file or the run set over all keys": {given: []string{"A=run", "ENV=DEV", "KATKIT_FIXED_VARIABLES=A,ENV", "KATKIT_FROM_SECRET_0_A=secret", "KATKIT_FROM_SECRET_0_ENV=forged"},
			all: []string{"A=run", "ENV=DEV"}, secrets: []string{"forged", "secret"}},
		"a key by itself over all there is": {given: []string{"A=class", "KATKIT_FIXED_VARIABLES=", "KATKIT_SECRET_A=secret"},
			all: []string{"A=secret"}, secrets: []string{"secret"}},
		"nothing that steers the loader, git or the agent by all keys": {
			given: []string{"PATH=/bin", "KATKIT_FROM_SECRET_0_PATH=/evil", "KATKIT_FROM_CONFIGMAP_1_LD_PRELOAD=x", "KATKIT_FROM_CONFIGMAP_1_GIT_DIR=x", "KATKIT_FROM_CONFIGMAP_1_KATKIT_RUN=x"},
			all:   []string{"PATH=/bin"}, secrets: []string{"/evil"}, refused: []string{"GIT_DIR", "KATKIT_RUN", "LD_PRELOAD", "PATH"}},
		"but by a key of its own, since the link's owner said so": {given: []string{"KATKIT_SECRET_GIT_TOKEN=x"}, all: []string{"GIT_TOKEN=x"}, secrets: []string{"x"}},
		"a name of the user's that looks so":                      {given: []string{"KATKIT_SECRET_KATKIT_SECRET_A=1"}, all: []string{"KATKIT_SECRET_A=1"}, secrets: []string{"1"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := readVariables(c.given)
			for _, list := range [][]string{got.all, got.secrets, got.refused} {
				slices.Sort(list)
			}
			if diff := cmp.Diff(variables{c.all, c.secrets, c.refused}, got, cmp.AllowUnexported(variables{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
