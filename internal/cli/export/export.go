package export

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"katkit.dev/katkit/internal/domain/diagnostic"
	"katkit.dev/katkit/internal/domain/rollout"
	"katkit.dev/katkit/internal/domain/servicedesc"
	"katkit.dev/katkit/internal/workload"
)

// Description is a service description that is ready to be saved.
type Description struct {
	// Content of the file.
	Content []byte
	// Notes are what a person may not expect, one sentence each.
	Notes []string
}

// file is what is written of a service description.
type file struct {
	Roles []role `json:"Roles"`
}

type role struct {
	Name        string `json:"Name"`
	DockerImage string `json:"DockerImage"`
}

// Describe reads workloads of a namespace live and describes them. The error tells every workload that cannot be
// described, and what to do about it.
func Describe(ctx context.Context, live client.Reader, namespace string, workloads []Workload) (Description, error) {
	var result Description
	var content file
	var problems []error
	for _, w := range workloads {
		service, err := find(ctx, live, namespace, w)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		image, notes, err := describe(service, w.Container)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s in namespace %s: %w", w, namespace, err))
			continue
		}
		content.Roles = append(content.Roles, role{Name: w.Name, DockerImage: image})
		for _, note := range notes {
			result.Notes = append(result.Notes, w.String()+": "+note)
		}
	}
	if len(problems) > 0 {
		return Description{}, errors.Join(problems...)
	}
	var err error
	result.Content, err = render(content)
	return result, err
}

// find reads the workload that a role of this name stands for, which must be the one that was asked for.
func find(ctx context.Context, live client.Reader, namespace string, w Workload) (rollout.Service, error) {
	service, found, err := workload.Find(ctx, live, namespace, w.Name)
	if err != nil {
		return rollout.Service{}, err
	}
	if found && service.Kind == w.Kind {
		return service, nil
	}
	_, exists, err := workload.Get(ctx, live, w.Kind, namespace, w.Name)
	switch {
	case err != nil:
		return rollout.Service{}, err
	case exists:
		return rollout.Service{}, fmt.Errorf("namespace %s also has the %s %s, which Katkit would upgrade in place of %s: it looks for a %s by the role's name; rename one of the two",
			namespace, service.Kind, w.Name, w, strings.Join(rollout.Kinds, ", then a "))
	case found:
		return rollout.Service{}, fmt.Errorf("namespace %s has no %s: did you mean %s/%s?", namespace, w, strings.ToLower(service.Kind), w.Name)
	}
	return rollout.Service{}, fmt.Errorf("namespace %s has no %s: check the name, and the namespace with -n", namespace, w)
}

// describe chooses the container, and gives the DockerImage by which a deployment finds it again.
func describe(service rollout.Service, wanted string) (image string, notes []string, err error) {
	containers := make([]servicedesc.Container, 0, len(service.Containers))
	for _, c := range service.Containers {
		containers = append(containers, servicedesc.Container{Name: c.Name, Image: c.Image})
	}
	name, err := pick(service.Name, wanted, containers)
	if err != nil {
		return "", nil, err
	}
	image, notes, err = template(service.Image(name))
	if err != nil {
		return "", nil, fmt.Errorf("container %s: %w", name, err)
	}
	// What a deployment will do with it.
	sample := strings.ReplaceAll(image, servicedesc.Token, sampleSHA)
	found, err := servicedesc.PickContainer(service.Name, sample, containers)
	switch {
	case err != nil:
		return "", nil, fmt.Errorf("a deployment could not find container %s again: %w", name, err)
	case found != name:
		return "", nil, fmt.Errorf("a deployment would upgrade container %s in place of %s, since it is named like the workload: leave --container out, or rename the containers", found, name)
	}
	return image, notes, nil
}

// pick is the container that was asked for, else the one named like the role, else the only one.
func pick(role, wanted string, containers []servicedesc.Container) (string, error) {
	names := make([]string, 0, len(containers))
	for _, c := range containers {
		if wanted == c.Name || wanted == "" && (role == c.Name || len(containers) == 1) {
			return c.Name, nil
		}
		names = append(names, fmt.Sprintf("%s (%s)", c.Name, diagnostic.Printable(c.Image, 120)))
	}
	if wanted != "" {
		return "", fmt.Errorf("it has no container %s, but %s", wanted, strings.Join(names, ", "))
	}
	return "", fmt.Errorf("it has several containers and none is named %s: choose the one to upgrade with --container %s=NAME; it has %s",
		role, role, strings.Join(names, ", "))
}

var sampleSHA = strings.Repeat("0", shaLength)

// render writes the description, and reads it as Katkit will: what would be a problem then is one now.
func render(content file) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "\t")
	if err := encoder.Encode(content); err != nil {
		return nil, fmt.Errorf("writing the description: %w", err)
	}
	description, problems := servicedesc.Parse(servicedesc.FilePath, b.Bytes())
	_, more := description.Changes(sampleSHA)
	if problems = append(problems, more...); len(problems) > 0 {
		return nil, fmt.Errorf("these workloads cannot be described: %w", problems)
	}
	return b.Bytes(), nil
}
