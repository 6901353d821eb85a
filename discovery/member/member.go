// Package member owns which clusters are watched: it reads the records and
// kubeconfigs of peers from Secrets or from a folder, judges them, and says who
// joins, who is replaced and who leaves. It is the first step of the data path.
//
// It contacts no peer and must not know what is done with one. A bad entry is
// data, not an error: the last good one stays in use and no other member is
// touched.
package member

import (
	"time"

	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// DefaultMost is how many members an agent takes unless it is told otherwise:
// what fits into one Secret of 1 MiB.
const DefaultMost = 350

// Reasons of problems, beside the codes of internal/kubeconfig.
const (
	// ReasonIncomplete is a kubeconfig without its record, or the reverse.
	ReasonIncomplete = "MemberIncomplete"
	// ReasonRecord is a record that cannot be read.
	ReasonRecord = "MemberRecordInvalid"
	// ReasonDuplicate is a name, UID or cluster ID that another member holds.
	ReasonDuplicate = "DuplicateIdentity"
	// ReasonOverlap is a CIDR that another member declared.
	ReasonOverlap = "CIDROverlap"
	// ReasonTooMany is a member beyond the largest number.
	ReasonTooMany = "TooManyMembers"
	// ReasonUnreadable is a file that is none, or is too large.
	ReasonUnreadable = "MemberFileUnreadable"
)

// Member is a peer that can be watched.
type Member struct {
	Record v1alpha1.MemberRecord
	// Config connects to the peer's API server.
	Config *rest.Config
	// Expires is when the credential says that it ends; zero where it does not.
	Expires time.Time
	// Origin is the Secret or folder that it came from.
	Origin string
	// Gateways are recorded objects with its advertised addresses, as JSON; nil where
	// there are none.
	Gateways []byte
}

// Name is the member's name.
func (m Member) Name() model.MemberName { return model.MemberName(m.Record.Name) }

// Problem is an entry that is not in use, or whose last good version is.
type Problem struct {
	// Member is the name in the key of the entry.
	Member model.MemberName
	Origin string
	// Reason is one of this package's reasons or a code of internal/kubeconfig.
	Reason  string
	Message string
}

// Events is who wants to know. Its methods are called one at a time, must not
// block, and are not called where nothing changed.
type Events interface {
	// Join brings a member that was not there.
	Join(Member)
	// Replace brings another credential or record of a member that is there: the
	// same cluster, so what is known of it stays.
	Replace(Member)
	// Leave takes a member away.
	Leave(model.MemberName)
	// Problems brings all that is wrong now, ordered, instead of what was.
	Problems([]Problem)
}

// Options say what is taken and who is told.
type Options struct {
	// Own is the agent's own cluster with its UID. No peer may claim its identity.
	Own v1alpha1.MemberRecord
	// Most is the largest number of members, default DefaultMost.
	Most int
	// Proxies are the proxies that kubeconfigs may name.
	Proxies []string
	Events  Events
}
