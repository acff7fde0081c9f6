package servicedesc

import "katkit.dev/katkit/internal/domain/jsonfile"

// Field names of the file that are read.
const (
	fieldRoles       = "Roles"
	fieldName        = "Name"
	fieldDockerImage = "DockerImage"
	fieldExtraConfig = "ExtraConfig"
	fieldReplicas    = "Replicas"
)

// liveFields are what the running service keeps (the manual: "During deployment
// Katkit will retain what is already present in the current running service").
var liveFields = []string{fieldExtraConfig, fieldReplicas}

// descriptionFields and roleFields are what the original product exports. Only
// the fields named above are read: an upgrade changes nothing but the image.
var (
	descriptionFields = names(fieldRoles, "TenantId", "State", "Name")

	roleFields = names(fieldName, fieldDockerImage, fieldExtraConfig, fieldReplicas,
		"NetworkId", "AgentPlatform", "AllocationTags", "Tags", "ApplicationUrl",
		"IsInfraDeployment", "SecondaryTenant", "LBConfigurations", "TenantId",
		"State", "Volumes", "Commands", "Cloud", "IsReplicaCollocationAllowed")
)

func names(fields ...string) jsonfile.Names {
	n := jsonfile.Names{}
	for _, f := range fields {
		n[f] = f
	}
	return n
}
