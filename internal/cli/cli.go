// Package cli is what the verbs of the kubectl plugin share: access to the cluster as the user, and exit codes.
// Each verb is a package below it, with its flags in cmd.go and its logic in functions that take their client or
// folder as an argument. cmd/kubectl-katkit puts the verbs together.
//
// What always holds: a verb has the user's own rights and no others.
package cli

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// Connect gives a client with the user's rights, and the namespace that the user means: that of the flag, else of
// the kubeconfig's context, else "default". No request is sent yet.
type Connect func() (client.WithWatch, string, error)

// Configure gives what a connection to the cluster as the user is made of. No request is sent.
type Configure func() (*rest.Config, error)

// ClientGetter is the part of cli-runtime's RESTClientGetter that Connector needs.
type ClientGetter interface {
	ToRESTConfig() (*rest.Config, error)
	ToRawKubeConfigLoader() clientcmd.ClientConfig
}

// Configurer reads the kubeconfig and the flags of a kubectl command. userAgent names the plugin to the API server;
// warnings of the API server go to the handler.
func Configurer(flags ClientGetter, userAgent string, warnings rest.WarningHandler) Configure {
	return func() (*rest.Config, error) {
		config, err := flags.ToRESTConfig()
		if err != nil {
			return nil, fmt.Errorf("finding the cluster: %w", err)
		}
		config.UserAgent = userAgent
		config.WarningHandler = warnings
		return config, nil
	}
}

// Connector makes clients for the cluster of the flags, as configure has it.
func Connector(flags ClientGetter, configure Configure) Connect {
	return func() (client.WithWatch, string, error) {
		log.SetLogger(logr.Discard()) // what is to be said the verbs say; without a logger the client complains after 30 s
		config, err := configure()
		if err != nil {
			return nil, "", err
		}
		namespace, _, err := flags.ToRawKubeConfigLoader().Namespace()
		if err != nil {
			return nil, "", fmt.Errorf("finding the namespace: %w", err)
		}
		c, err := client.NewWithWatch(config, client.Options{Scheme: Scheme()})
		if err != nil {
			return nil, "", fmt.Errorf("connecting to the cluster: %w", err)
		}
		return c, namespace, nil
	}
}

// Scheme knows Kubernetes' own kinds and Katkit's.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // two types of one kind: a mistake in the code
		}
	}
	return scheme
}

// Exit ends the plugin with a code and without another word: the verb has said all there is to say.
type Exit int

// Error says the code.
func (e Exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// AnnotationFailure on a command is the exit code of its errors, flags that it does not know included. 1 when absent.
const AnnotationFailure = "katkit.dev/exit-code-of-errors"

// ExitCode is what the plugin ends with when a command has returned an error, and whether the error is still to be
// told. A nil error is code 0.
func ExitCode(command *cobra.Command, err error) (code int, tell bool) {
	if err == nil {
		return 0, false
	}
	if exit, ok := errors.AsType[Exit](err); ok {
		return int(exit), false
	}
	if code, err := strconv.Atoi(command.Annotations[AnnotationFailure]); err == nil {
		return code, true
	}
	return 1, true
}
