package model

// IsLabel reports whether a word is a DNS label (RFC 1123), as names of services,
// namespaces and ports are: what validation.IsDNS1123Label of Kubernetes says, without a
// regular expression, as it is asked with every change.
func IsLabel(word string) bool {
	if len(word) == 0 || len(word) > 63 || word[0] == '-' || word[len(word)-1] == '-' {
		return false
	}
	for i := range len(word) {
		c := word[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
