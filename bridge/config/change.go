package config

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// Change sets values in the text of a config file and keeps its comments. Keys are paths
// such as "network.irc.listen"; every one has to be there already.
func Change(text string, changes map[string]any) (string, error) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		return "", err
	}
	for path, value := range changes {
		node := root.Content[0]
		for _, key := range strings.Split(path, ".") {
			if node = child(node, key); node == nil {
				return "", fmt.Errorf("no key %s in the config", path)
			}
		}
		var fresh yaml.Node
		if err := fresh.Encode(value); err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		fresh.HeadComment, fresh.LineComment, fresh.FootComment = node.HeadComment, node.LineComment, node.FootComment
		*node = fresh
	}
	out, err := yaml.Marshal(&root)
	return string(out), err
}

func child(node *yaml.Node, key string) *yaml.Node {
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}
