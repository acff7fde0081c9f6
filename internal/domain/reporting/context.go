package reporting

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/text"
)

const (
	// maxContext is the length of a context that GitHub takes, in bytes.
	maxContext = 255
	// rootFolder stands for the root of the repository, and is no folder's: one that is called "-" is "./-", which none is called.
	rootFolder = "-"
	// configPart stands where the phase does for a run that could not begin. No phase is called so.
	configPart = "(config)"
)

// Key is a context as GitHub compares it: without regard to letter case.
func Key(context string) string { return strings.ToLower(context) }

// contextOf is the context of a status: katkit/TENANT/FOLDER/PART. Where that is too long the folder is cut, and a digest of it
// added.
func contextOf(tenant, folder, part string) string {
	switch folder = text.Line(folder); folder {
	case "":
		folder = rootFolder
	case rootFolder:
		folder = "./" + rootFolder
	}
	context := func(folder string) string { return "katkit/" + tenant + "/" + folder + "/" + part }
	if room := maxContext - len(context("")); len(folder) > room {
		digest := sha256.Sum256([]byte(folder))
		mark := "~" + hex.EncodeToString(digest[:5])
		return context(text.Cut(folder, room-len(mark)) + mark)
	}
	return context(folder)
}

// contexts are those of a run's phases, in their order. Of names that differ in letter case alone, which GitHub takes for one,
// the later ones are numbered.
func contexts(tenant, folder string, phases []v1alpha1.RunPhaseStatus) []string {
	seen := map[string]int{}
	list := make([]string, 0, len(phases))
	for _, phase := range phases {
		name := phase.Name
		seen[Key(phase.Name)]++
		if n := seen[Key(phase.Name)]; n > 1 {
			name = fmt.Sprintf("%s (%d)", name, n)
		}
		list = append(list, contextOf(tenant, folder, name))
	}
	return list
}
