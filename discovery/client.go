package discovery

import "k8s.io/client-go/rest"

// unlimited is a connection whose requests do not wait for each other. The default of
// five in a second would hold up every change of an endpoint behind those before it;
// what the API server can bear is its own to say (API priority and fairness), and each
// writer has one request under way. Warnings are left out: that Endpoints are deprecated
// would be said with every request about them.
func unlimited(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.QPS, config.WarningHandler = -1, rest.NoWarnings{}
	return config
}
