// Package settings turns the agent's configuration file into one validated
// value. It owns defaults and rules, and says all that is wrong at once, so that
// an agent which refuses to start need be mended only once. It stands before the
// data path and must not know its stages; it contacts nothing.
package settings

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"time"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/preference"
	"github.com/eastwest-mesh/eastwest/internal/problem"
	"github.com/eastwest-mesh/eastwest/internal/strictyaml"
)

// CodeInvalid is the code of every problem with the file.
const CodeInvalid = "AgentConfigInvalid"

// Values of fields that are one of a few words.
const (
	DataPlaneEnvoy = "envoy"
	DataPlaneNone  = "none"
	SourceSecrets  = "secrets"
	SourceFolder   = "folder"
)

// Settings are the file after defaults, and what its texts mean.
type Settings struct {
	// File has every default filled in, and no nil limit.
	File v1alpha1.AgentConfig
	// StaleAfter and SyncDeadline are the fields of those names.
	StaleAfter, SyncDeadline time.Duration
	// Prefer is locality.prefer.
	Prefer model.Preference
	// DNSExempt is dns.exempt.
	DNSExempt []netip.Prefix
}

// Record is the agent's own cluster in the form in which its peers are recorded.
// Whoever configures the agent vouches for its own cluster, so nothing is pinned.
func (s *Settings) Record() v1alpha1.MemberRecord {
	own := s.File.Member
	return v1alpha1.MemberRecord{
		Name: own.Name, ClusterID: own.ClusterID, Network: own.Network, Region: own.Region, Role: "both",
		Identity: fmt.Sprintf("spiffe://%s/ns/eastwest-system/sa/gateway-%s", s.File.TrustDomain, own.Name),
	}
}

// Load reads the file at path. The error joins all that is wrong with it, each a
// problem of kind Input. Beside an error the settings are what could be read, for whoever
// has more to judge of them, and nil where nothing could.
func Load(path string) (*Settings, error) {
	text, err := read(path)
	if err != nil {
		return nil, invalid(path, err)
	}
	settings, err := Decode(text)
	if err == nil {
		return settings, nil
	}
	var all []error
	for _, one := range problem.All(err) {
		all = append(all, one.About(path))
	}
	return settings, errors.Join(all...)
}

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	if info.Size() > strictyaml.MaxSize {
		return nil, fmt.Errorf("larger than %d bytes", strictyaml.MaxSize)
	}
	return os.ReadFile(path)
}

func invalid(path string, cause error) error {
	return problem.New(problem.Input, CodeInvalid, "read the agent's configuration").About(path).Because(cause)
}

// Decode decodes a file, fills in defaults and judges it, as Load does.
func Decode(text []byte) (*Settings, error) {
	settings := &Settings{}
	var all []error
	for _, one := range strictyaml.Decode(text, &settings.File) {
		all = append(all, flaw("%v", one))
	}
	if len(all) > 0 && reflect.ValueOf(settings.File).IsZero() {
		// Nothing was read: to list every field as missing would bury the reason.
		return nil, errors.Join(all...)
	}
	setDefaults(&settings.File)
	all = append(all, validate(settings)...)
	return settings, errors.Join(all...)
}

func flaw(format string, args ...any) *problem.Error {
	return problem.New(problem.Input, CodeInvalid, format, args...).
		WithFix("see docs/reference/agent-config.md for the fields")
}

func setDefaults(file *v1alpha1.AgentConfig) {
	orElse(&file.Member.ClusterID, file.Member.Name)
	orElse(&file.TrustDomain, "cluster.local")
	orElse(&file.DataPlane, DataPlaneEnvoy)
	orElse(&file.Members.Source, SourceSecrets)
	orElse(&file.Members.Namespace, "eastwest-system")
	orElse(&file.Locality.Prefer, preference.None)
	orElse(&file.StaleAfter, "15m")
	orElse(&file.SyncDeadline, "10s")
	orElse(&file.Listen.XDS, ":15012")
	orElse(&file.Listen.Admin, "127.0.0.1:15014")
	orElse(&file.Listen.Health, ":15020")
	orElse(&file.Facade.Listen, ":15016")
	orElse(&file.Probe.Token, "/var/run/secrets/eastwest-probe/token")
	orElse(&file.Probe.Root, "/etc/eastwest-mesh-root/root-cert.pem")
	orElse(&file.Probe.Listen, ":15018")
	limits := &file.Limits
	for field, value := range map[**int64]int64{
		&limits.Services: 5000, &limits.Endpoints: 100_000, &limits.Bytes: 64 << 20, &limits.EventsPerSecond: 2000,
		&limits.Checks: 1000,
	} {
		if *field == nil {
			*field = &value
		}
	}
}

func orElse(field *string, value string) {
	if *field == "" {
		*field = value
	}
}
