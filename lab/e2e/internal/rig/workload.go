package rig

import "fmt"

// Exported is the sample service hello with some pods in a namespace, offered to the
// other members at port 80.
func Exported(namespace string, replicas int) string {
	return fmt.Sprintf(exported, namespace, replicas)
}

const exported = `apiVersion: apps/v1
kind: Deployment
metadata: {name: hello, namespace: %[1]s}
spec:
  replicas: %[2]d
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
      - name: hello
        image: lab.local/helloworld-v1:lab
        readinessProbe: {httpGet: {path: /health, port: 5000}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: hello, namespace: %[1]s}
spec: {selector: {app: hello}, ports: [{name: http, port: 80, targetPort: 5000}]}
---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: {name: hello, namespace: %[1]s}
`
