package harness

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// stale is the age from which a run of ours counts as crashed.
const stale = time.Hour

// Remove takes away what a run made: the namespace if it made that, and its
// objects. It waits until they are gone or ctx ends. The objects are deleted by
// name also where their namespace goes: its controller starts after five
// seconds, and looks again only much later if it still finds pods then.
func (c Cluster) Remove(ctx context.Context, p Plan, site Site) error {
	selector := RunLabel + "=" + p.Run
	if p.Exported {
		if err := c.withdraw(ctx, p.Namespace, selector); err != nil {
			return err
		}
	}
	if site.Exists {
		if err := c.removeObjects(ctx, p.Namespace, selector); err != nil {
			return err
		}
		err := c.until(ctx, "pods of namespace "+p.Namespace+" are still terminating", func() (bool, error) {
			pods, err := c.Kube.CoreV1().Pods(p.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
			return err == nil && len(pods.Items) == 0, err
		})
		if err != nil || !p.Exported {
			return err
		}
		return c.until(ctx, "derived Services of the run are still in namespace "+p.Namespace+"; the agent removes them", func() (bool, error) {
			return c.underived(ctx, p)
		})
	}
	if err := c.removeNamespace(ctx, p.Namespace, p.Run); err != nil {
		return err
	}
	_ = c.removeObjects(ctx, p.Namespace, selector) // only a head start
	return c.until(ctx, "namespace "+p.Namespace+" is still terminating", func() (bool, error) {
		_, err := c.Kube.CoreV1().Namespaces().Get(ctx, p.Namespace, metav1.GetOptions{})
		return apierrors.IsNotFound(err), err
	})
}

// removeNamespace deletes a namespace only if its label says that it is of the
// run: it may have been replaced by someone's own.
func (c Cluster) removeNamespace(ctx context.Context, name, run string) error {
	ns, err := c.Kube.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("get namespace %s: %w", name, err)
	}
	if ns.Labels[RunLabel] != run {
		return fmt.Errorf("namespace %s is not of run %s: left alone", name, run)
	}
	only := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &ns.UID}}
	if err := c.Kube.CoreV1().Namespaces().Delete(ctx, name, only); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete namespace %s: %w", name, err)
	}
	return nil
}

// removeObjects deletes labelled objects in a namespace that is not ours. Each
// goes by name: nobody grants the right to delete collections lightly.
func (c Cluster) removeObjects(ctx context.Context, namespace, selector string) error {
	list := metav1.ListOptions{LabelSelector: selector}
	background := metav1.DeletePropagationBackground
	opts := metav1.DeleteOptions{PropagationPolicy: &background}
	var errs []error
	note := func(what string, err error) {
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("%s in namespace %s: %w", what, namespace, err))
		}
	}
	deployments, err := c.Kube.AppsV1().Deployments(namespace).List(ctx, list)
	note("list deployments", err)
	if err == nil {
		for _, d := range deployments.Items {
			note("delete deployment "+d.Name, c.Kube.AppsV1().Deployments(d.Namespace).Delete(ctx, d.Name, opts))
		}
	}
	services, err := c.Kube.CoreV1().Services(namespace).List(ctx, list)
	note("list services", err)
	if err == nil {
		for _, s := range services.Items {
			note("delete service "+s.Name, c.Kube.CoreV1().Services(s.Namespace).Delete(ctx, s.Name, opts))
		}
	}
	accounts, err := c.Kube.CoreV1().ServiceAccounts(namespace).List(ctx, list)
	note("list service accounts", err)
	if err == nil {
		for _, a := range accounts.Items {
			note("delete service account "+a.Name, c.Kube.CoreV1().ServiceAccounts(a.Namespace).Delete(ctx, a.Name, opts))
		}
	}
	return errors.Join(errs...)
}

// Sweep removes what crashed runs left behind more than an hour before now, and
// returns their names. Runs that were told to keep it are left alone.
func (c Cluster) Sweep(ctx context.Context, now time.Time) ([]string, error) {
	old := metav1.ListOptions{LabelSelector: RunLabel + ",!" + KeepLabel}
	var swept []string
	var errs []error
	namespaces, err := c.Kube.CoreV1().Namespaces().List(ctx, old)
	if err != nil {
		return nil, fmt.Errorf("list namespaces of earlier runs: %w", err)
	}
	for _, ns := range namespaces.Items {
		if ns.DeletionTimestamp != nil || now.Sub(ns.CreationTimestamp.Time) < stale {
			continue
		}
		errs = append(errs, c.removeNamespace(ctx, ns.Name, ns.Labels[RunLabel]))
		swept = append(swept, ns.Name)
	}
	deployments, err := c.Kube.AppsV1().Deployments(metav1.NamespaceAll).List(ctx, old)
	if err != nil {
		return swept, errors.Join(append(errs, fmt.Errorf("list deployments of earlier runs: %w", err))...)
	}
	seen := map[string]bool{}
	for _, d := range deployments.Items {
		key := d.Namespace + " " + d.Labels[RunLabel]
		if seen[key] || now.Sub(d.CreationTimestamp.Time) < stale {
			continue
		}
		seen[key] = true
		errs = append(errs, c.withdraw(ctx, d.Namespace, RunLabel+"="+d.Labels[RunLabel]),
			c.removeObjects(ctx, d.Namespace, RunLabel+"="+d.Labels[RunLabel]))
		swept = append(swept, key)
	}
	return swept, errors.Join(errs...)
}

// until polls a condition; at the end of ctx it reports the last state.
func (c Cluster) until(ctx context.Context, state string, done func() (bool, error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("%s: %w", state, err)
			}
			return errors.New(state)
		case <-tick.C:
		}
	}
}
