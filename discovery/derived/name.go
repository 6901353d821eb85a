package derived

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Name is the name of the Service that stands for an imported one, in its
// namespace. It is the name that the reference controllers of the multi-cluster
// services API give (kubernetes-sigs/mcs-api, controllers/common.go).
func Name(key model.ServiceKey) string {
	sum := sha256.Sum256([]byte(key.Namespace + "/" + key.Name))
	text := base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])
	return "derived-" + strings.ToLower(text[:10])
}

// sliceName is the name of the number-th slice of a service with addresses of one
// family, of one member or of the local gateway.
func sliceName(key model.ServiceKey, source model.MemberName, family model.Family, number int) string {
	return Name(key) + "-" + cmp.Or(string(source), "gateway") + "-" + strings.ToLower(string(family)) + "-" + strconv.Itoa(number)
}
