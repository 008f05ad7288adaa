package hangoutstest_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

// chunkOf is how hangupsjs sees a page: without tags and the HTML, arrays by their first
// element.
var chunkOf = regexp.MustCompile(`(?m)^AF_initDataChunkQueue\.push\(\{key: 'ds:\d+', .*data: function\(\)\{return (.*)$`)

func TestPagesOfTheWebClient(t *testing.T) {
	s := start(t, hangoutstest.Options{Scenario: &hangoutstest.Scenario{People: []hangoutstest.ScenarioPerson{
		{Key: "ada", Name: "Ada </script> & Co.", Email: "ada@example.com", Account: true},
		{Key: "bob", Name: "Bob", Email: "bob@example.com", Account: true},
	}}})
	ada, bob := newRaw(t, s, 0), newRaw(t, s, 1)
	noHash := http.Header{"Authorization": nil, "Origin": nil}
	tokenOf := func(c *raw) any {
		resp, body := c.do("GET", "/talkgadget/_/extension-start", noHash, "")
		require.Equal(t, 200, resp.StatusCode)
		var array []any
		require.NoError(t, json.Unmarshal([]byte(body), &array))
		require.Len(t, array, 2)
		return array[1]
	}
	load := func(c *raw, token any) (int, string) {
		text, _ := token.(string)
		resp, body := c.do("GET", "/webchat/u/0/load?fid=gtn-roster-iframe-id&pvt="+text, noHash, "")
		return resp.StatusCode, body
	}
	status, page := load(ada, tokenOf(ada))
	require.Equal(t, 200, status)
	require.Equal(t, strings.Count(page, "<script>"), strings.Count(page, "</script>"), "nothing in the data ends a script")
	chunks := map[string][]any{}
	for _, m := range chunkOf.FindAllStringSubmatch(page, -1) {
		var data [][]any
		require.NoError(t, json.Unmarshal([]byte(m[1]), &data), m[1])
		chunks[data[0][0].(string)] = data[0]
	}
	require.NotEmpty(t, chunks["cin:cac"][2], "an API key")
	require.Equal(t, "ada@example.com", chunks["cic:vd"][2])
	require.NotEmpty(t, chunks["cin:acc"][4])
	require.NotEmpty(t, chunks["cin:acc"][6])
	require.NotEmpty(t, chunks["cin:bcsc"][7])
	header, self := chunks["cgsirp"][1].([]any), chunks["cgsirp"][2].([]any)
	require.NotZero(t, header[4], "the server's time")
	require.Contains(t, self[8].([]any)[0], s.Account(0).GaiaID())

	for name, c := range map[string]struct {
		who   *raw
		token any
	}{"none": {ada, nil}, "of another account": {ada, tokenOf(bob)}, "made up": {ada, "pvt.x.y"}} {
		status, _ = load(c.who, c.token)
		require.Equal(t, 400, status, name)
	}
	token := tokenOf(ada)
	ada.cookies = nil
	require.Nil(t, tokenOf(ada), "not signed in")
	status, _ = load(ada, token)
	require.Equal(t, 400, status)
}
