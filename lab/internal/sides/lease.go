package sides

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// HoldLease keeps agents from writing into their cluster, for good: each is as a replica
// beside the one that does.
func HoldLease(t testing.TB, kube kubernetes.Interface) {
	t.Helper()
	leases := kube.CoordinationV1().Leases("eastwest-system")
	holder, seconds, now := "another-replica", int32(24*60*60), metav1.NewMicroTime(time.Now())
	want := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "eastwest-agent"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &now, AcquireTime: &now},
	}
	FreeLease(t, kube)
	if _, err := leases.Create(t.Context(), want, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// FreeLease lets the next agent write.
func FreeLease(t testing.TB, kube kubernetes.Interface) {
	t.Helper()
	err := kube.CoordinationV1().Leases("eastwest-system").Delete(t.Context(), "eastwest-agent", metav1.DeleteOptions{})
	if err != nil && !errors.IsNotFound(err) {
		t.Fatal(err)
	}
}
