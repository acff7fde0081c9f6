package contract

// Version is that of all that this package says: variables, paths, the checkout's word, the spool. It grows when an agent of before
// cannot take part any more. The Pod names the one that is needed in VarContract.
const Version = 2

// Containers of a builder Pod. They start together, but for AgentContainer, which comes before them where the agent cannot be
// mounted, and CheckoutContainer where the builder image brings its own agent.
const (
	AgentContainer    = "agent"    // agent image: runs `AgentBinary install AgentMountDir`
	CheckoutContainer = "checkout" // agent image: runs `AgentBinary checkout`, or `AgentBinary checkout ship`
	BuildContainer    = "build"    // builder image: runs `AgentPath exec`, or its own `AgentBinary exec`
	LogContainer      = "log"      // agent image: runs `AgentBinary ship` where the checkout is over before the others start
)

// Subcommands of the agent.
const (
	CheckoutCommand = "checkout" // may be followed by ShipCommand, which comes next if it succeeds
	ExecCommand     = "exec"
	InstallCommand  = "install" // followed by the folder
	ShipCommand     = "ship"    // brings the log of the build container to the log store
)

// Paths inside the containers of a builder Pod.
const (
	// WorkspaceDir is the emptyDir that checkout and build share.
	WorkspaceDir = "/workspace"
	// SourceDir is the working tree of the checkout.
	SourceDir = WorkspaceDir + "/src"
	// ControlDir is where checkout leaves its word for exec, and ci.sh its outputs, in the file that VarOutput names.
	ControlDir = WorkspaceDir + "/.katkit"
	// AgentMountDir is where the agent image, or a copy of the agent, is mounted, read-only, in the build container.
	AgentMountDir = "/katkit"
	// AgentBinary is the agent in the agent image, and in a builder image that brings its own.
	AgentBinary = "/katkit-agent"
	// AgentPath is the agent in AgentMountDir.
	AgentPath = AgentMountDir + AgentBinary
	// CredentialDir is a mounted Secret, in the checkout container only and optional: public repositories need none.
	CredentialDir = "/var/run/katkit/credential"
	// CredentialKey is the Secret's key, and the file's name in CredentialDir, that holds the token to clone with.
	CredentialKey = "token"
	// TerminationMessagePath is where a container's report goes; it is Kubernetes' own default.
	TerminationMessagePath = "/dev/termination-log"
)

// Exit codes of the agent itself, for whoever reads `kubectl get pod`; a program takes the Report. In the build
// container every other code is that of ci.sh, or 128+n where signal n ended it.
const (
	ExitOK             = 0
	ExitUsage          = 64  // called wrongly: the sysexits convention
	ExitConfig         = 120 // something the user can put right: no ci.sh, no such commit, a refused token, an invalid output
	ExitInfra          = 121 // something outside the user's files: network, disk, a defect of the agent
	ExitCheckoutFailed = 122 // build container: the checkout failed, the reason is in both reports
	ExitTerminated     = 143 // told to stop (TERM) before ci.sh had ended by itself
)

// LogTailBytes is how much of the end of a replica's log is kept once its Pod is gone.
const LogTailBytes = 64 << 10

// LogPieceBytes is the length at which container runtimes break a long line of a log into pieces, each of which counts as
// a line when Kubernetes is asked for the last n lines (containerd's and CRI-O's default).
const LogPieceBytes = 16 << 10
