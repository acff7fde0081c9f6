package controller

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// imageVolumes is the first version of Kubernetes in which image volumes are on by default.
var imageVolumes = version.MajorMinor(1, 35)

// ParseAgentDelivery reads the manager's flag --agent-delivery. "" is to be found out.
func ParseAgentDelivery(value string) (v1alpha1.AgentDelivery, error) {
	switch value {
	case "auto":
		return "", nil
	case "image-volume":
		return v1alpha1.AgentByImageVolume, nil
	case "init-container":
		return v1alpha1.AgentByInitContainer, nil
	}
	return "", fmt.Errorf("%q is none of auto, image-volume and init-container", value)
}

// chooseDelivery finds out, where nobody says, how the agent gets into the build container: by the version of the API server.
func chooseDelivery(config *rest.Config, asked v1alpha1.AgentDelivery) (v1alpha1.AgentDelivery, error) {
	if asked != "" {
		return asked, nil
	}
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return "", fmt.Errorf("making the client for the API server's version: %w", err)
	}
	info, err := client.ServerVersion()
	if err != nil {
		return "", fmt.Errorf("asking for the API server's version, by which the agent is delivered: %w", err)
	}
	return deliveryOf(info.GitVersion)
}

// deliveryOf is the way of a version such as v1.37.2 or v1.34.1-eks-3025e55.
func deliveryOf(gitVersion string) (v1alpha1.AgentDelivery, error) {
	server, err := version.ParseGeneric(gitVersion)
	if err != nil {
		return "", fmt.Errorf("the API server's version is %q, which tells nothing of image volumes: set --agent-delivery: %w", gitVersion, err)
	}
	if server.LessThan(imageVolumes) {
		return v1alpha1.AgentByInitContainer, nil
	}
	return v1alpha1.AgentByImageVolume, nil
}
