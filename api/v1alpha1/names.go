package v1alpha1

// Labels and annotations that people and cluster admins set.
const (
	// LabelTenant marks a Namespace as a tenant and names it. Only a cluster admin can label a
	// Namespace, so the label is the admin's consent: Katkit acts in no other namespace.
	LabelTenant = "katkit.dev/tenant"
	// AnnotationEnv on a tenant's Namespace is the name of its environment (DEV, BETA, PROD, any string).
	AnnotationEnv = "katkit.dev/env"
	// AnnotationDefaultClass with the value "true" marks the default BuilderClass.
	AnnotationDefaultClass = "katkit.dev/is-default-class"
	// AnnotationBuilder with the value "true" on a ServiceAccount lets links name it in spec.builder.serviceAccountName.
	AnnotationBuilder = "katkit.dev/builder"
	// LabelAllocationTag on a Node holds the tag that a phase's AllocationTags asks for.
	LabelAllocationTag = "katkit.dev/allocation-tag"
)

// AnnotationSafeToEvict with the value "false" on a builder Pod keeps the cluster autoscaler from taking its node away.
const AnnotationSafeToEvict = "cluster-autoscaler.kubernetes.io/safe-to-evict"

// Labels that Katkit sets on the objects it makes.
const (
	// LabelLink on a Phase and a builder Pod is the name of the link.
	LabelLink = "katkit.dev/link"
	// LabelRun on a Phase and a builder Pod is the name of the run.
	LabelRun = "katkit.dev/run"
	// LabelRunUID on a builder Pod is the UID of the run; the Pods of a run are removed by it.
	LabelRunUID = "katkit.dev/run-uid"
	// LabelTrigger on a run is the TriggerName of what made it.
	LabelTrigger = "katkit.dev/trigger"
	// LabelComponent tells what an object of Katkit's is for, as ComponentBuilder.
	LabelComponent = "katkit.dev/component"
	// ComponentBuilder is the value of LabelComponent on builder Pods.
	ComponentBuilder = "builder"
	// LabelManagedBy is Kubernetes' recommended label for the tool that manages an object.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// ManagedBy is Katkit's value of LabelManagedBy, and its field manager.
	ManagedBy = "katkit"
)

// Annotations that Katkit sets on a workload with its image.
const (
	// AnnotationRun is the name of the run that changed the image last, AnnotationRunUID its UID.
	AnnotationRun    = "katkit.dev/run"
	AnnotationRunUID = "katkit.dev/run-uid"
	// AnnotationSHA is the commit that the image is of: 40 hex digits.
	AnnotationSHA = "katkit.dev/sha"
	// AnnotationChangeCause is what `kubectl rollout history` shows of a revision.
	AnnotationChangeCause = "kubernetes.io/change-cause"
)

// AnnotationSyncRequested on a TenantRepoLink asks for its repository to be looked at now, before the next poll. The value is
// when it was asked, in UTC with up to nanoseconds as RFC 3339 writes it, a space, and what made it come: the name of GitHub's
// event, as in "2026-01-02T03:04:05.123456789Z push". The link controller acts on every change of the value, whatever it
// is, so people may set it too.
const AnnotationSyncRequested = "katkit.dev/sync-requested"

// AnnotationRerunRequested on a TenantRepoLink are the last presses of GitHub's button Re-run that the receiver was told of, the newest
// last: "check_run" or "check_suite", its number, and when, as in "check_run/4711@2026-01-02T03:04:05.123Z". They are hints: the link
// controller asks GitHub whether somebody pressed it.
const AnnotationRerunRequested = "katkit.dev/rerun-requested"

// FinalizerDeployment on a Phase of type Deployment keeps it until it has ended, so that a deployment whose run is deleted
// half way is taken back first.
const FinalizerDeployment = "katkit.dev/deployment"

// VerbApprove is the virtual verb on phases that an admission policy asks the authorizer for when a Phase is approved.
const VerbApprove = "approve"

// DefaultDeployer is the ServiceAccount that changes a tenant's workloads when the link names no other.
const DefaultDeployer = "katkit-deployer"

// DefaultCachePath is where the cache of a link is when it names no other path.
const DefaultCachePath = "/cache"

// Keys of a link's Secret, which holds a token or a GitHub App.
const (
	// SecretKeyToken is the key of a GitHub token.
	SecretKeyToken = "token"
	// SecretKeyAppID is the key of a GitHub App's ID, SecretKeyAppInstallationID of the ID of where it is installed, and
	// SecretKeyAppPrivateKey of one of its private keys, in PEM. The App needs all three.
	SecretKeyAppID             = "githubAppID"
	SecretKeyAppInstallationID = "githubAppInstallationID"
	SecretKeyAppPrivateKey     = "githubAppPrivateKey"
)

// ConfigMapKeyLog is the key, in a ConfigMap that a Phase's status names, of the end of a builder Pod's log.
const ConfigMapKeyLog = "log"

// SecretTypeCloneCredential is the type of the Secrets that Katkit makes for the builder Pods of a link with a GitHub App: each
// holds, under SecretKeyToken, a token of an hour that can read the repository's contents.
const SecretTypeCloneCredential = "katkit.dev/clone-credential"
