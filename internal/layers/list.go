package layers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// List reads the module's import graph with `go list -deps`. dir is a folder inside the module. Packages that do not
// compile are listed with the imports their source names. Test files do not count: tests may reach across layers.
func List(ctx context.Context, dir string) (Graph, error) {
	module, err := run(ctx, dir, "list", "-m")
	if err != nil {
		return nil, err
	}
	path := strings.TrimSpace(string(module))
	out, err := run(ctx, dir, "list", "-e", "-deps", "-json=ImportPath,Imports", path+"/...")
	if err != nil {
		return nil, err
	}
	return parse(bytes.NewReader(out), path)
}

// parse reads the stream of JSON objects that `go list -json` writes and keeps the packages of the module.
func parse(r io.Reader, module string) (Graph, error) {
	graph := Graph{}
	dec := json.NewDecoder(r)
	for {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			return graph, nil
		} else if err != nil {
			return nil, fmt.Errorf("read output of go list: %w", err)
		}
		name, own := relative(pkg.ImportPath, module)
		if !own {
			continue
		}
		graph[name] = []string{}
		for _, imp := range pkg.Imports {
			if dep, ours := relative(imp, module); ours {
				graph[name] = append(graph[name], dep)
			}
		}
	}
}

// relative returns the path of an import inside the module, "." for its root.
func relative(importPath, module string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

func run(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return out, nil
}
