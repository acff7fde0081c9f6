package agent

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"katkit.dev/katkit/internal/contract"
)

const (
	npmToken  = "npm_s3cr3tT0ken"
	deployKey = "-----BEGIN TEST KEY-----\nMIIEpAIBAAKCAQEAx7cC0Sdf3QmYb6hQ7ZpEw2VJ1kR8sT0uNv5aXyWzGhIjKlMn\nAbCdEfGh9s8d7f6g5h4j3k2l1qWeRtYuIoPaSdFgHjKlZxCvBnM0987654321xyZ\n-----END TEST KEY-----\n"
)

// fromSecrets is what the kubelet makes of a link's Secrets and ConfigMaps.
var fromSecrets = []string{"KATKIT_SECRET_NPM_TOKEN=" + npmToken, "KATKIT_FROM_SECRET_0_DEPLOY_KEY=" + deployKey, "KATKIT_CONFIGMAP_REGION=eu-central"}

func TestExecMasksWhatComesFromSecrets(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"a value":             {`echo "token $NPM_TOKEN"; echo "$NPM_TOKEN" >&2`, "token ***\n***\n"},
		"of several lines":    {`printf %s "$DEPLOY_KEY"; sed -n 2p <<<"$DEPLOY_KEY"`, "***\n***\n"},
		"in base64":           {`base64 <<<"$NPM_TOKEN"; printf %s "$DEPLOY_KEY" | base64 -w0; echo; printf %s "$DEPLOY_KEY" | base64`, "***\n***\n***\n"},
		"in pieces":           {`for ((i = 0; i < ${#NPM_TOKEN}; i++)); do printf %s "${NPM_TOKEN:i:1}"; done; echo .`, "***.\n"},
		"as bash traces it":   {`set -x; : "$NPM_TOKEN" "$REGION"`, "+ : *** eu-central\n"},
		"of another's hand":   {`(sleep 0.2; printf "$NPM_TOKEN") & echo now`, "now\n***"},
		"the beginning of it": {`printf 'npm_ npm_s3cr3t'`, "npm_ npm_s3cr3t"},
		"of a ConfigMap not":  {`echo "$REGION"`, "eu-central\n"},
	} {
		t.Run(name, func(t *testing.T) {
			a := runCI(t, "#!/bin/bash\nset -e\n"+c.script+"\n", fromSecrets...)
			r := a.wantSuccess()
			if got := a.log.String(); got != c.want || r.Tail != c.want {
				t.Errorf("log %q, tail %q, want %q", got, r.Tail, c.want)
			}
		})
	}
}

// Nothing that the agent itself says repeats a value, whatever it speaks of.
func TestExecMasksItsOwnWords(t *testing.T) {
	base := workspace(t, map[string]string{"ci.sh": "#!/" + npmToken + "/sh\n"})
	a := startAgent(t, contract.ExecCommand, base, fromSecrets...)
	r := a.wantFailure(contract.ClassConfig, contract.ReasonCIScriptInvalid, "***")
	if strings.Contains(r.Message+r.Tail+a.log.String(), npmToken) {
		t.Errorf("%+v, log %q", r, a.log.String())
	}
}

// A value that was begun when the agent had something to say is not torn by it.
func TestExecMasksAroundItsOwnWords(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	a := runCI(t, "#!/bin/bash\ntrap 'printf s3cr3tT0ken; exit 1' TERM\nprintf 'a npm_'; touch "+ready+"; while :; do :; done\n", fromSecrets...)
	eventually(t, "ci.sh runs", func() bool { return exists(ready) })
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	a.wantFailure(contract.ClassInfra, contract.ReasonTerminated)
	if got := a.log.String(); !strings.Contains(got, "***") || strings.Contains(got, "npm_") || strings.Contains(got, "s3cr3t") {
		t.Errorf("log %q", got)
	}
}

func TestExecRefusesOutputsOfSecrets(t *testing.T) {
	for name, script := range map[string]string{
		"a value":      `echo "IMAGE=x $NPM_TOKEN" >>"$KATKIT_OUTPUT"`,
		"in base64":    `echo "IMAGE=$(base64 <<<"$NPM_TOKEN")" >>"$KATKIT_OUTPUT"`,
		"a line of it": `echo "IMAGE=$(sed -n 2p <<<"$DEPLOY_KEY")" >>"$KATKIT_OUTPUT"`,
		"in its name":  `echo "${NPM_TOKEN}_IMAGE=1" >>"$KATKIT_OUTPUT"`,
	} {
		t.Run(name, func(t *testing.T) {
			a := runCI(t, "#!/bin/bash\n"+script+"\n", fromSecrets...)
			r := a.wantFailure(contract.ClassConfig, contract.ReasonInvalidOutput)
			if !strings.Contains(r.Message, "IMAGE has the value of a Secret in it") {
				t.Error(r.Message)
			}
			if len(r.Outputs) > 0 || strings.Contains(r.Message+r.Tail+a.log.String(), "s3cr3t") {
				t.Errorf("%+v, log %q", r, a.log.String())
			}
		})
	}
	r := runCI(t, "#!/bin/bash\necho \"REGION=$REGION\" >>$KATKIT_OUTPUT\n", fromSecrets...).wantSuccess()
	if len(r.Outputs) != 1 {
		t.Errorf("%+v: what a ConfigMap has is no secret", r.Outputs)
	}
}

func TestExecSaysWhatIsLeftOut(t *testing.T) {
	a := runCI(t, "#!/bin/sh\necho $GIT_DIR.\n", "KATKIT_FROM_SECRET_0_GIT_DIR=/evil", "GIT_DIR=")
	a.wantSuccess()
	want := "[katkit] GIT_DIR is left out: builder.envFrom of the link may not set it; name its key in builder.env, or give a prefix\n.\n"
	if got := a.log.String(); got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}

// The whole way of a builder Pod: what checkout cloned with is nowhere that ci.sh can look. The token's file is in the checkout container
// alone, so it goes before ci.sh comes.
func TestCIScriptFindsNoCloneCredential(t *testing.T) {
	s := newGitServer(t)
	work := t.TempDir()
	git(t, work, "init", "-q")
	half := len(goodToken) / 2
	encoded := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + goodToken))[24:40]
	writeFile(t, filepath.Join(work, "ci.sh"), fmt.Sprintf(`#!/bin/bash
# The patterns match the credential, but not themselves.
pattern='%s[%s]%s|%s[%s]%s'
look() { if tr '\0' '\n' 2>/dev/null | grep -aEq "$pattern"; then echo "$1 has it"; fi; }
printf %%s%%s %s %s >"$HOME/decoy"
env | look environment
set | look variables
export -p | look exports
for p in $$ $PPID self; do for f in /proc/$p/environ /proc/$p/cmdline /proc/$p/mountinfo; do look $f <$f; done; done
for fd in /proc/$PPID/fd/* /proc/self/fd/*; do ls -l $fd 2>/dev/null | look $fd; done
git config --list --show-origin | look "git's configuration"
git config --system --list 2>/dev/null | look 'the system configuration'
git remote -v | look 'the remote'
git log -1 --format=%%B%%an%%ae | look 'the commit'
git credential fill <<<"url=$(git config remote.origin.url)" 2>/dev/null </dev/null | look "git's credentials"
[[ ! -e $TOKEN_FILE ]] || echo 'the token is there'
grep -raElD skip "$pattern" "$WORKSPACE" "$HOME" 2>/dev/null | sort -u | sed "s,$HOME/,,"
GIT_TERMINAL_PROMPT=0 git ls-remote 2>/dev/null && echo 'the repository can be read'
echo searched
`, goodToken[:half], goodToken[half:half+1], goodToken[half+1:], encoded[:5], encoded[5:6], encoded[6:], goodToken[:half], goodToken[half:]), 0o755)
	git(t, work, "add", ".")
	git(t, work, "commit", "-q", "-m", "search")
	bare := filepath.Join(s.dir, "private/app.git")
	git(t, work, "clone", "-q", "--bare", work, bare)

	a := s.checkout(t, "private/app.git", git(t, work, "rev-parse", "HEAD"), goodToken)
	a.wantSuccess()
	paths := pathsIn(a.base)
	if err := os.Remove(paths.Token); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	b := startAgent(t, contract.ExecCommand, a.base, "HOME="+home, "WORKSPACE="+a.base, "TOKEN_FILE="+paths.Token, fromSecrets[0])
	b.wantSuccess()
	if got := b.log.String(); got != "decoy\nsearched\n" {
		t.Errorf("ci.sh finds more than it hid itself:\n%s", got)
	}
}
