package discovery

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// The terms of a lease: client-go's own, known from all controllers.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// lead runs work for as long as this replica holds the lease, and tries again
// when it has lost it. It gives the lease back when ctx ends. The connection must be
// one without the guard of its own tenure.
func (a *Agent) lead(ctx context.Context, kube kubernetes.Interface, work func(context.Context)) {
	log := a.Log
	lock := a.tenure.renewedBy(&resourcelock.LeaseLock{
		LeaseMeta: metav1.ObjectMeta{Namespace: a.Namespace, Name: leaseName}, Client: kube.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: a.Pod},
	})
	// Terms follow each other: what one started has ended before the next begins.
	term := make(chan struct{}, 1)
	config := leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
		ReleaseOnCancel: true, Name: leaseName,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) {
				term <- struct{}{}
				defer func() { <-term }()
				if ctx.Err() != nil {
					return
				}
				log.Info("this replica writes")
				work(ctx)
				log.Info("this replica does not write any more")
			},
			OnStoppedLeading: func() {},
		},
	}
	for ctx.Err() == nil {
		leaderelection.RunOrDie(ctx, config)
	}
	term <- struct{}{}
}
