package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/install"
)

// stored are the bytes of what a finished run leaves behind, as JSON with all metadata.
type stored struct {
	run, phases, configMaps, events int
	// katkitEvents and otherEvents are numbers of events, those of kubelet and scheduler about the builder Pods apart.
	katkitEvents, otherEvents int
}

func (s *stored) objects() int { return s.run + s.phases + s.configMaps }

func (b *bench) storedBytes(ctx context.Context, run string) (s stored, err error) {
	api := "/apis/" + v1alpha1.GroupVersion.String() + "/namespaces/" + b.tenant
	if s.run, err = b.bytesOf(ctx, api+"/ciruns/"+run); err != nil {
		return s, err
	}
	list, err := b.cluster.Phases(ctx, install.NewRun(b.tenant, run, linkName, b.sha))
	if err != nil {
		return s, err
	}
	for _, phase := range list {
		size, err := b.bytesOf(ctx, api+"/phases/"+phase.Name)
		if err != nil {
			return s, err
		}
		s.phases += size
	}
	core := b.cluster.Clientset.CoreV1()
	logs, err := core.ConfigMaps(b.tenant).List(ctx, metav1.ListOptions{LabelSelector: v1alpha1.LabelRun + "=" + run})
	if err != nil {
		return s, fmt.Errorf("listing the logs of run %s: %w", run, err)
	}
	for _, configMap := range logs.Items {
		size, err := b.bytesOf(ctx, "/api/v1/namespaces/"+b.tenant+"/configmaps/"+configMap.Name)
		if err != nil {
			return s, err
		}
		s.configMaps += size
	}
	events, err := core.Events(b.tenant).List(ctx, metav1.ListOptions{})
	if err != nil {
		return s, fmt.Errorf("listing the events of run %s: %w", run, err)
	}
	err = s.countEvents(events.Items, run)
	return s, err
}

func (s *stored) countEvents(events []corev1.Event, run string) error {
	for _, event := range events {
		if event.InvolvedObject.Name != run && !strings.HasPrefix(event.InvolvedObject.Name, run+"-") {
			continue
		}
		if event.InvolvedObject.Kind == kindPod {
			s.otherEvents++
			continue
		}
		content, err := json.Marshal(event)
		if err != nil {
			return fmt.Errorf("measuring an event: %w", err)
		}
		s.katkitEvents++
		s.events += len(content)
	}
	return nil
}

func (b *bench) bytesOf(ctx context.Context, path string) (int, error) {
	content, err := b.cluster.Clientset.Discovery().RESTClient().Get().AbsPath(path).SetHeader("Accept", "application/json").DoRaw(ctx)
	if err != nil {
		return 0, fmt.Errorf("measuring %s: %w", path, err)
	}
	return len(content), nil
}
