package conformance

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RunLabel marks the namespaces of a run with its name.
const RunLabel = "eastwest.dev/conformance-run"

// stale is the age from which a namespace of ours counts as left behind by a run that
// was killed.
const stale = time.Hour

// scene is where one case plays: a namespace of its own in every cluster.
type scene struct {
	run       *run
	namespace string
	members   []*Member
}

// randomName is a prefix with a number that nobody else has.
func randomName(prefix string) string {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("%s%d", prefix, binary.BigEndian.Uint32(random[:]))
}

func (r *run) newScene() *scene {
	s := &scene{run: r, namespace: randomName("mcs-conformance-")}
	for i := range r.members {
		s.members = append(s.members, &r.members[i])
	}
	return s
}

func (s *scene) first() *Member  { return s.members[0] }
func (s *scene) second() *Member { return s.members[1] }

// setUp makes the namespaces and the pods of a case, and waits for those that ask.
func (s *scene) setUp(ctx context.Context, c Case) error {
	return s.everywhere(func(m *Member) error {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace, Labels: map[string]string{RunLabel: s.run.id}}}
		if _, err := m.Kube.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create namespace %s: %w", s.namespace, err)
		}
		if i := slices.Index(s.members, m); i < len(c.hello) && c.hello[i] > 0 {
			if err := s.startHello(ctx, m, c.hello[i], c.named); err != nil {
				return err
			}
		}
		if !c.asks {
			return nil
		}
		return s.startAsker(ctx, m)
	})
}

// remove deletes the namespaces; nobody waits for their end before settle.
func (s *scene) remove(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, execBound)
	defer cancel()
	// One that stays is named by settle.
	_ = s.everywhere(func(m *Member) error { return m.removeNamespace(ctx, s.namespace, s.run.id) })
}

// removeNamespace deletes a namespace if it is of this run.
func (m *Member) removeNamespace(ctx context.Context, name, id string) error {
	namespace, err := m.Kube.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("get namespace %s: %w", name, err)
	}
	if namespace.Labels[RunLabel] != id {
		return fmt.Errorf("namespace %s is not of run %s: left alone", name, id)
	}
	only := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &namespace.UID}}
	if err := m.Kube.CoreV1().Namespaces().Delete(ctx, name, only); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete namespace %s: %w", name, err)
	}
	return nil
}

// settle waits until the namespaces of the run are gone, and says what stays.
func (r *run) settle(ctx context.Context) []string {
	ctx = context.WithoutCancel(ctx)
	s := r.newScene() // for its clusters; it has no namespace
	err := s.everywhere(func(m *Member) error {
		return eventually(ctx, cleanupBound, func(ctx context.Context) error {
			list, err := m.Kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: RunLabel + "=" + r.id})
			if err != nil {
				return fmt.Errorf("list namespaces: %w", err)
			}
			var left []error
			for _, one := range list.Items {
				left = append(left, fmt.Errorf("namespace %s is still there", one.Name))
				if one.DeletionTimestamp == nil {
					left = append(left, m.removeNamespace(ctx, one.Name, r.id))
				}
			}
			return errors.Join(left...)
		})
	})
	if err != nil {
		return []string{"left behind: " + err.Error()}
	}
	return nil
}

// sweep deletes what runs that were killed more than an hour before now have left
// behind, and says what it was.
func (r *run) sweep(ctx context.Context, now time.Time) []string {
	var notes []string
	for i := range r.members {
		m := &r.members[i]
		list, err := m.Kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: RunLabel})
		if err != nil {
			continue // every case will say so
		}
		for _, one := range list.Items {
			if one.DeletionTimestamp != nil || now.Sub(one.CreationTimestamp.Time) < stale {
				continue
			}
			if err := m.removeNamespace(ctx, one.Name, one.Labels[RunLabel]); err == nil {
				notes = append(notes, fmt.Sprintf("cluster %s: namespace %s of a run that was killed is deleted", m.Name, one.Name))
			}
		}
	}
	return notes
}
