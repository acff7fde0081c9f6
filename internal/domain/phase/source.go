package phase

import (
	"fmt"
	"regexp"
)

// What the kubelet says of a variable whose value is not there (since Kubernetes 1.6).
var (
	noObject = regexp.MustCompile(`^(secret|configmap) "([^"]+)" not found$`)
	noKey    = regexp.MustCompile(`^couldn't find key (\S+) in (Secret|ConfigMap) [^/\s]+/(\S+)$`)
)

// missingSource tells of a Secret or a ConfigMap, or a key of one, that the kubelet's message says is not there, and what to do. It is ""
// for any other message. The kubelet names one at a time.
func missingSource(namespace, message string) string {
	if found := noObject.FindStringSubmatch(message); found != nil {
		kind, create := "Secret", "secret generic"
		if found[1] == "configmap" {
			kind, create = "ConfigMap", "configmap"
		}
		return fmt.Sprintf("%s %s/%s is not there, and builder.env or builder.envFrom of the link names it: make it (kubectl create %s %s -n %s …), "+
			"correct the link, or set optional there, then start a new run", kind, namespace, found[2], create, found[2], namespace)
	}
	if found := noKey.FindStringSubmatch(message); found != nil {
		return fmt.Sprintf("%s %s/%s has no key %s, and builder.env of the link names it: add the key, correct the link, or set optional there, then start a new run",
			found[2], namespace, found[3], found[1])
	}
	return ""
}
