package install

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ReceiverURL is where the receiver takes deliveries in the cluster.
const ReceiverURL = "http://" + ReceiverDeployment + "." + Namespace + ".svc/webhook"

// Receiver applies config/receiver with its image and a secret, and waits until it is ready. Katkit is there before.
func (c *Cluster) Receiver(ctx context.Context, images Images, secret string) error {
	return c.step(ctx, "receiver", func(ctx context.Context, tell func(string)) error {
		ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("after %s", Seconds(readyTimeout)))
		defer cancel()
		objects, err := c.manifests("config/receiver")
		if err != nil {
			return err
		}
		for _, object := range objects {
			if err := customize(object, images, nil); err != nil {
				return err
			}
		}
		webhook := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: "katkit-webhook"}, Data: map[string][]byte{"secret": []byte(secret)},
		}
		if err := c.Apply(ctx, webhook); err != nil {
			return err
		}
		if err := c.apply(ctx, objects...); err != nil {
			return err
		}
		if err := c.RolledOut(ctx, Namespace, ReceiverDeployment); err != nil {
			return err
		}
		tell("receiver is ready at " + ReceiverURL)
		return nil
	})
}
