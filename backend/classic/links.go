package classic

import (
	"net/url"
	"strings"
)

// unwrap returns where a link leads that goes through Google's redirect page
// (https://www.google.com/url?q=…), as links in messages of the service do; other links
// stay.
func unwrap(target string) string {
	parsed, err := url.Parse(target)
	if err != nil || parsed.Path != "/url" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return target
	}
	if host := strings.ToLower(parsed.Hostname()); host != "google.com" && host != "www.google.com" {
		return target
	}
	query := parsed.Query()
	for _, name := range []string{"q", "url"} {
		if to, err := url.Parse(query.Get(name)); err == nil && (to.Scheme == "http" || to.Scheme == "https") && to.Host != "" {
			return query.Get(name)
		}
	}
	return target
}
