package config

import (
	"fmt"
	"strings"

	"go.mau.fi/util/configupgrade"
	"gopkg.in/yaml.v3"
)

// Section is a part of "network:" that belongs to another part of the program, which
// this package does not know.
type Section struct {
	Name     string       // its key
	Comment  string       // one line above it in the example
	Example  string       // its keys with comments and defaults, not indented
	Value    any          // pointer to the struct that it is read into, holding the defaults
	Validate func() error // checks Value; nil if there is nothing to check
}

// ExampleText is the example of the whole section "network:", other parts' sections
// included, not indented.
func (c *Config) ExampleText() string {
	var out strings.Builder
	out.WriteString(Example)
	for _, s := range c.sections {
		fmt.Fprintf(&out, "# %s\n%s:\n", s.Comment, s.Name)
		for line := range strings.Lines(s.Example) {
			out.WriteString("    " + line)
		}
	}
	return out.String()
}

// UnmarshalYAML reads the section "network:" and, inside it, the other parts' sections. A key
// that the example does not have is an error: it would be ignored, and lost when the file is
// rewritten.
func (c *Config) UnmarshalYAML(node *yaml.Node) error {
	if err := checkKeys(node, c.example(), "network."); err != nil {
		return err
	}
	type own Config
	if err := node.Decode((*own)(c)); err != nil {
		return err
	}
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		for _, s := range c.sections {
			if node.Content[i].Value != s.Name {
				continue
			}
			if err := node.Content[i+1].Decode(s.Value); err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
		}
	}
	return nil
}

// example is the example as a mapping.
func (c *Config) example() *yaml.Node {
	var example yaml.Node
	if err := yaml.Unmarshal([]byte(c.ExampleText()), &example); err != nil {
		panic(err) // the embedded text is tested
	}
	return example.Content[0]
}

// checkKeys looks for keys that the example does not have.
func checkKeys(node, example *yaml.Node, path string) error {
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		key, known := node.Content[i], child(example, node.Content[i].Value)
		if known == nil {
			return fmt.Errorf("%w: line %d: there is no setting %s%s", ErrInvalid, key.Line, path, key.Value)
		}
		if known.Kind != yaml.MappingNode {
			continue
		}
		if err := checkKeys(node.Content[i+1], known, path+key.Value+"."); err != nil {
			return err
		}
	}
	return nil
}

// Upgrade copies the values of an existing file into the example: of every key that the
// example has.
func (c *Config) Upgrade(helper configupgrade.Helper) { copyKeys(helper, c.example(), nil) }

func copyKeys(helper configupgrade.Helper, node *yaml.Node, path []string) {
	kinds := map[string]configupgrade.YAMLType{"!!int": configupgrade.Int, "!!bool": configupgrade.Bool, "!!str": configupgrade.Str}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := append(path[:len(path):len(path)], node.Content[i].Value), node.Content[i+1]
		switch value.Kind {
		case yaml.MappingNode:
			copyKeys(helper, value, key)
		case yaml.SequenceNode:
			helper.Copy(configupgrade.List, key...)
		default:
			helper.Copy(kinds[value.Tag], key...)
		}
	}
}
