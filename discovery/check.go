package discovery

import (
	"github.com/eastwest-mesh/eastwest/discovery/member"
	"github.com/eastwest-mesh/eastwest/discovery/settings"
)

// Check is what an agent would refuse to start with beside its own configuration: records
// in a folder that contradict each other. Loaded may be incomplete, and nil. Secrets are
// no part of the configuration: a record there that contradicts another is not used, and
// that is said of its member.
func Check(loaded *settings.Settings) error {
	if loaded == nil || loaded.File.Members.Source != settings.SourceFolder {
		return nil
	}
	return member.NewFolder(loaded.File.Members.Folder, member.Options{Own: loaded.Record()}).Check()
}
