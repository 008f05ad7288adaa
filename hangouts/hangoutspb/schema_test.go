package hangoutspb_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

const protoPath = "hangouts/hangoutspb/hangouts.proto"

// readRows reads rows of the form kind,parent,name,number,label,type,type_name.
func readRows(t *testing.T, name string) []string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	require.NoError(t, err)
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	var rows []string
	for _, r := range records[1:] {
		rows = append(rows, strings.Join(r[:7], ","))
	}
	return rows
}

// bare drops the package, which the wire and the tables do not know.
func bare(name protoreflect.FullName) string {
	if name == "hangouts" {
		return ""
	}
	return strings.TrimPrefix(string(name), "hangouts.")
}

func describeMessage(m protoreflect.MessageDescriptor) []string {
	rows := []string{fmt.Sprintf("message,%s,%s,,,,", bare(m.Parent().FullName()), m.Name())}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		typeName := ""
		if f.Message() != nil {
			typeName = bare(f.Message().FullName())
		} else if f.Enum() != nil {
			typeName = bare(f.Enum().FullName())
		}
		rows = append(rows, fmt.Sprintf("field,%s,%s,%d,%s,%s,%s",
			bare(m.FullName()), f.Name(), f.Number(), f.Cardinality(), f.Kind(), typeName))
	}
	for i := range m.Messages().Len() {
		rows = append(rows, describeMessage(m.Messages().Get(i))...)
	}
	for i := range m.Enums().Len() {
		rows = append(rows, describeEnum(m.Enums().Get(i))...)
	}
	return rows
}

func describeEnum(e protoreflect.EnumDescriptor) []string {
	rows := []string{fmt.Sprintf("enum,%s,%s,,,,", bare(e.Parent().FullName()), e.Name())}
	for i := range e.Values().Len() {
		v := e.Values().Get(i)
		rows = append(rows, fmt.Sprintf("value,%s,%s,%d,,,", bare(e.FullName()), v.Name(), v.Number()))
	}
	return rows
}

func TestSchemaMatchesTable(t *testing.T) {
	file := hangoutspb.File_hangouts_hangoutspb_hangouts_proto
	var have []string
	for i := range file.Messages().Len() {
		have = append(have, describeMessage(file.Messages().Get(i))...)
	}
	for i := range file.Enums().Len() {
		have = append(have, describeEnum(file.Enums().Get(i))...)
	}
	reference := readRows(t, "schema.csv")
	require.Len(t, reference, 853, "testdata/schema.csv must stay whole")
	want := append(reference, readRows(t, "additions.csv")...)
	sort.Strings(have)
	sort.Strings(want)
	require.Equal(t, strings.Join(want, "\n"), strings.Join(have, "\n"))
}

func TestSchemaLanguage(t *testing.T) {
	file := hangoutspb.File_hangouts_hangoutspb_hangouts_proto
	require.Equal(t, protoreflect.Proto2, file.Syntax())

	oneofs := map[string][]int{}
	required := []string{}
	var walk func(protoreflect.MessageDescriptors)
	walk = func(ms protoreflect.MessageDescriptors) {
		for i := range ms.Len() {
			m := ms.Get(i)
			for j := range m.Oneofs().Len() {
				for k := range m.Oneofs().Get(j).Fields().Len() {
					name := string(m.Oneofs().Get(j).FullName())
					oneofs[name] = append(oneofs[name], int(m.Oneofs().Get(j).Fields().Get(k).Number()))
				}
			}
			for j := range m.Fields().Len() {
				if f := m.Fields().Get(j); f.Cardinality() == protoreflect.Required {
					required = append(required, bare(f.FullName()))
				}
				require.False(t, m.Fields().Get(j).IsPacked(), "repeated fields are written unpacked")
			}
			walk(m.Messages())
		}
	}
	walk(file.Messages())
	require.Equal(t, map[string][]int{
		"hangouts.StateUpdate.state_update": {2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 19, 20},
	}, oneofs)
	require.Equal(t, []string{"Segment.type"}, required)
}

// TestGeneratedCodeIsCurrent compares hangouts.proto, compiled now, with the descriptor in hangouts.pb.go.
func TestGeneratedCodeIsCurrent(t *testing.T) {
	protoc, err := exec.LookPath("protoc")
	if err != nil {
		t.Skip("protoc is not installed: NOT CHECKED whether hangouts.pb.go is current (apt-get install protobuf-compiler)")
	}
	out := filepath.Join(t.TempDir(), "set.binpb")
	cmd := exec.Command(protoc, "--proto_path=../..", "--descriptor_set_out="+out, protoPath)
	log, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", log)
	raw, err := os.ReadFile(out)
	require.NoError(t, err)
	var set descriptorpb.FileDescriptorSet
	require.NoError(t, proto.Unmarshal(raw, &set))
	require.Len(t, set.File, 1)

	embedded := protodesc.ToFileDescriptorProto(hangoutspb.File_hangouts_hangoutspb_hangouts_proto)
	for _, d := range []*descriptorpb.FileDescriptorProto{embedded, set.File[0]} {
		d.SourceCodeInfo = nil
	}
	if !proto.Equal(embedded, set.File[0]) {
		require.Equal(t, prototext.Format(set.File[0]), prototext.Format(embedded),
			"hangouts.pb.go is not current: go generate ./hangouts/hangoutspb")
	}
}
