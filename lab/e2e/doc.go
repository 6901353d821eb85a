// Package e2e proves what eastwest promises on real clusters: it drives the
// binaries that a user has (eastwest, kubectl, istioctl) against a lab of three
// clusters with Istio, and judges by exit codes, answers, API objects, audit logs
// and traffic. It knows no package of the product.
//
// The tests are behind the build tag e2e and need what the lab needs: Linux and
// root. They share one lab and one mesh: TestMesh has them in the order in which
// a mesh lives, and each says in which state it wants the clusters, so that
// one of them can be run alone:
//
//	go test -tags e2e -timeout 40m ./e2e
//	go test -tags e2e -run 'TestMesh/faults/gateway pods' -v ./e2e
//
// EASTWEST_BIN is the binary under test (default: ../../bin/eastwest) and
// EASTWEST_E2E_LAB the lab (default: e2e). A lab that is up is reused and stays
// up, unless CI or EASTWEST_E2E_DOWN is set. EASTWEST_E2E_FOUR adds a fourth
// cluster, to measure create-mesh with.
package e2e
