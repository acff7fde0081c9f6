package pki

import (
	"bytes"
	"encoding/base64"
	"os"
	"text/template"
)

var kubeconfigTemplate = template.Must(template.New("kubeconfig").Parse(`apiVersion: v1
kind: Config
clusters:
- name: localkube
  cluster:
    server: {{.Server}}
    certificate-authority-data: {{.Authority}}
users:
- name: {{.User}}
  user:
    client-certificate-data: {{.Cert}}
    client-key-data: {{.Key}}
contexts:
- name: localkube
  context: {cluster: localkube, user: {{.User}}}
current-context: localkube
`))

// EnsureKubeconfig makes the client certificate `name` for the subject, and writes a kubeconfig file, complete
// in itself, by which the subject reaches the API server at `server` (https://HOST:PORT).
func (a *Authority) EnsureKubeconfig(path, name, server string, s Subject) error {
	if err := a.Ensure(name, s); err != nil {
		return err
	}
	values := map[string]string{"Server": server, "User": name}
	for key, file := range map[string]string{"Authority": a.dir.Cert(a.name), "Cert": a.dir.Cert(name), "Key": a.dir.Key(name)} {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		values[key] = base64.StdEncoding.EncodeToString(data)
	}
	var out bytes.Buffer
	if err := kubeconfigTemplate.Execute(&out, values); err != nil {
		return err
	}
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, out.Bytes()) {
		return nil
	}
	return writeFile(path, out.Bytes())
}
