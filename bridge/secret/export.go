package secret

import "encoding/json"

// Object turns a list of cookies, as extensions of browsers export it, into an object of
// names and values. ok is false if the text is no such list.
func Object(text string) (object string, ok bool) {
	var list []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	if json.Unmarshal([]byte(text), &list) != nil {
		return "", false
	}
	cookies := map[string]string{}
	for _, cookie := range list {
		if cookie.Name != "" {
			cookies[cookie.Name] = cookie.Value
		}
	}
	out, err := json.Marshal(cookies)
	return string(out), err == nil && len(cookies) > 0
}
