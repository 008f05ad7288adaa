package hangouts

import (
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// formFields collects the inputs of a form with their present values.
func formFields(form *html.Node, values map[string]string) (url.Values, error) {
	for id := range values {
		if find(form, byID(id)) == nil {
			return nil, &GoogleAuthError{Step: fmt.Sprintf("login input %q not found on the page", id)}
		}
	}
	fields := url.Values{}
	submitted := false
	walk(form, func(n *html.Node) bool {
		if n.Type != html.ElementNode || n.Data != "input" || attr(n, "name") == "" {
			return false
		}
		value, filled := values[attr(n, "id")]
		if !filled {
			value = attr(n, "value")
		}
		switch strings.ToLower(attr(n, "type")) {
		case "checkbox", "radio":
			if !hasAttr(n, "checked") {
				return false
			}
		case "submit":
			if submitted {
				return false
			}
			submitted = true
		case "button", "image", "reset", "file":
			return false
		}
		fields.Add(attr(n, "name"), value)
		return false
	})
	return fields, nil
}

// selector picks an element.
type selector func(*html.Node) bool

func byID(id string) selector { return func(n *html.Node) bool { return attr(n, "id") == id } }

func byAction(action string) selector {
	return func(n *html.Node) bool { return attr(n, "action") == action }
}

// find gives the first element, in the order of the page, that a selector picks.
func find(root *html.Node, which selector) (found *html.Node) {
	walk(root, func(n *html.Node) bool {
		if n.Type == html.ElementNode && which(n) {
			found = n
		}
		return found != nil
	})
	return found
}

// walk visits a node and all below it until visit returns true.
func walk(n *html.Node, visit func(*html.Node) bool) bool {
	if visit(n) {
		return true
	}
	for child := range n.Descendants() {
		if visit(child) {
			return true
		}
	}
	return false
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func hasAttr(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}
