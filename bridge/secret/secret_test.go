package secret_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/secret"
)

// Values in the form of real ones.
const (
	random22 = "fFAGRNJru1FTz70BzhT3Zg"
	random34 = "aBcDeFgHiJkLmNoP/AQRsTuVwXyZ012345"
	random71 = "g.a000nAgZ1kq9Tn3vXh2pQ8sLr7mW4yB6cD5eF0gHiJkLmNoPqRsTuVwXyZaCgYKAX8"
)

func TestSecretsAreFound(t *testing.T) {
	for name, text := range map[string]string{
		"refresh token":                "1//0gFAGRNJru1FTz70BzhT3Zg-L9Ir_xyz",
		"old refresh token":            "1/" + random22,
		"refresh token in a sentence":  "here it is: 1//0g" + random22 + ", thanks",
		"refresh token in quotes":      `"1//0g` + random22 + `"`,
		"refresh token in JSON":        `{"refresh_token":"1//0g` + random22 + `"}`,
		"refresh token in a form":      "refresh_token=1%2F%2F0g" + random22 + "&grant_type=refresh_token",
		"authorization code":           "4/0AQlEd8x" + random22,
		"authorization code in a link": "http://localhost/?state=x&code=4/0AQlEd8x" + random22 + "&scope=email",
		"authorization code, encoded":  "https://localhost/?code=4%2F0AQlEd8x" + random22,
		"access token":                 "Bearer ya29.a0AfB_by" + random22,
		"cookie header":                "Cookie: SID=" + random71 + "; HSID=AYQEVnDKrdst4r3Fx; SSID=A9dKrdst4r3FxYQEV",
		"header of a weak cookie":      "cookie: HSID=AYQEVnDKrdst4r3Fx; NID=x",
		"cookies without a header":     "SAPISID=" + random34 + "; NID=x",
		"weak cookies in a row":        "HSID=AYQEVnDKrdst4r3Fx; SSID=A9dKrdst4r3FxYQEV; NID=1",
		"one strong cookie":            "__Secure-1PSID=" + random71,
		"a cookie with a colon":        "__Secure-3PAPISID: " + random34,
		"a quoted cookie":              `SAPISID="` + random34 + `"`,
		"SID alone":                    "SID=" + random71,
		"cURL":                         "curl 'https://hangouts.google.com/webchat' \\\n  -H 'accept: */*' \\\n  -H 'cookie: HSID=AYQEVnDKrdst4r3Fx; NID=x' \\\n  --compressed",
		"cURL -b":                      "curl 'https://hangouts.google.com/' -b 'NID=x; SAPISID=" + random34 + "'",
		"cURL for Windows":             `curl ^"https://x^" -b ^"SID=` + random71 + `; NID=1^"`,
		"JSON object":                  `{"SAPISID": "` + random34 + `", "SID": "x"}`,
		"JSON object, weak":            `{"HSID":"AYQEVnDKrdst4r3Fx"}`,
		"JSON in JSON":                 `"{\"SAPISID\":\"` + random34 + `\"}"`,
		"exported":                     `[{"domain":".google.com","hostOnly":false,"name":"HSID","path":"/","value":"AYQEVnDKrdst4r3Fx","id":1}]`,
		"exported, value first":        `[{"value":"AYQEVnDKrdst4r3Fx","domain":".google.com","name":"SSID"}]`,
		"exported, with line breaks":   "[\n{\n \"domain\": \".google.com\",\n \"name\": \"SAPISID\",\n \"value\": \"" + random34 + "\"\n}\n]",
		"cookies.txt":                  ".google.com\tTRUE\t/\tTRUE\t1799999999\tSAPISID\t" + random34,
		"table of a browser":           "SAPISID\t" + random34 + "\t.google.com\t/\t2027-01-01",
		"authorization header":         "Authorization: SAPISIDHASH 1700000000_0123456789abcdef0123456789abcdef01234567",
		"JSON of PHP":                  `{"refresh_token":"1\/\/0g` + random22 + `"}`,
		"JSON of PHP, a code":          `{"code":"4\/0AQlEd8x` + random22 + `"}`,
		"JSON with escapes":            `{"refresh_token":"1\u002f\u002F0g` + random22 + `"}`,
		"encoded twice":                "refresh_token=1%252F%252F0g" + random22,
		"code of a device":             "oauth_token=oauth2_4/0AQlEd8x" + random22,
		"master token":                 "aas_et/AKppINa" + random22,
		"escaped in Markdown":          `1//0gFAGRNJru1\_FTz70Bzh\_T3Zgabc`,
		"with zero-width spaces":       "1//0gFAGRNJru1F\u200bTz70BzhT3Z\u200bg",
		"with a control character":     "1//0gFAGRNJru1F\x01Tz70BzhT3Zgabc",
		"cookie in Markdown":           "`SAPISID`: `" + random34 + "`",
		"bold name of a cookie":        "**SAPISID**: " + random34,
		"cookie in a Markdown table":   "| SAPISID | " + random34 + " |",
		"cookie in CSV":                "SAPISID," + random34,
		"cookie after an arrow":        "SAPISID -> " + random34,
		"cookie in a sentence":         "my SAPISID is " + random34,
		"cookie in YAML":               "- name: SAPISID\n  value: " + random34,
		"cookie in small letters":      "sapisid=" + random34,
		"exported, in Python":          `[{'name': 'HSID', 'value': 'AYQEVnDKrdst4r3Fx'}]`,
		"value of SID alone":           random71,
		"rotated cookie":               "__Secure-1PSIDRTS=sidts-CjEBBj1CYqNJru1FTz70BzhT3ZgnDKrdst4r3Fx",
		"cookie of the log-in":         "__Host-1PLSID=o.chat.google.com:" + random71,
		"code in a link in a link":     "https://x.test/?continue=https%3A%2F%2Flocalhost%2F%3Fstate%3Dx%26code%3D4%2F0AQlEd8x" + random22,
		"token in a link in a link":    "https://x.test/?q=refresh_token%3D1%2F%2F0g" + random22,
		"the same, once more":          "https://x.test/?q=refresh_token%253D1%252F%252F0g" + random22,
		"cookie in a link":             "https://x.test/?q=a%3B%20SID%3D" + random71,
		"later cookie in a link":       "https://x.test/?q=NID%3Dx%3B%20SAPISID%3D" + random34,
		"code in a script":             `"https://localhost/?scope\x3demail\x26code\x3d4/0AQlEd8x` + random22 + `"`,
		"code in JSON of a page":       `"https://localhost/?scope\u003demail\u0026code\u003d4/0AQlEd8x` + random22 + `"`,
		"after a line break in JSON":   `{"log":"the token:\n1//0g` + random22 + `"}`,
		"master token, encoded":        "EncryptedPasswd=aas_et%2FAKppINa" + random22,
		"code block":                   "```\n1//0g" + random22 + "\n```",
	} {
		t.Run(name, func(t *testing.T) { require.True(t, secret.In(text)) })
	}
}

func TestOrdinaryTextPasses(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                  "",
		"date":                   "Let's meet on 1/2/2024 or 4/5/24",
		"fractions":              "1/2 cup of milk, 1/4 cup of sugar, 4/5 of the rest",
		"scores":                 "it stands 4/0 after the first half, 1/0 at home",
		"link with /4/0":         "https://example.com/v/4/0AQlEd8xfFAGRNJru1FTz70BzhT3Zg",
		"link with /1//":         "https://example.com/1//0gfFAGRNJru1FTz70BzhT3Zg",
		"link in a link":         "https://example.com/?u=https%3A%2F%2Fexample.com%2Fv%2F4%2F0AQlEd8xfFAGRNJru1FTz70BzhT3Zg",
		"percentages":            "50%25 of 1/2, 100%3D all",
		"path of Windows":        `see C:\temp\new\x41\report-2024-Final.docx`,
		"link":                   "https://docs.example.com/document/d/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms/edit",
		"path":                   "see chapter 1/introduction-to-the-second-edition",
		"path with a number":     "see 4/the-third-chapter-of-2024-in-short",
		"UUID":                   "1/550e8400-e29b-41d4-a716-446655440000",
		"talk of cookies":        "Where do I find the SAPISID cookie, or the SID: somewhere? And __Secure-1PSID?",
		"names of cookies":       "It needs SAPISID, SID, HSID, SSID and APISID; the values are long.",
		"placeholders":           "SAPISID=<your cookie>; SID=...; HSID=xxxxxxxxxxxxxxxxxxxxx",
		"wireless network":       "SSID: CoffeeShopGuestNetwork24, password on the wall",
		"wireless network again": "SSID=CoffeeShopGuestNetwork24",
		"Windows SID":            "SID: S-1-5-21-3623811015-3361044348-30300820-1013",
		"another service's SID":  "SID: AC0123456789abcdef0123456789abcdef",
		"JSON":                   `{"name":"Anna","value":"aBcDeFgHiJkLmNoPqRs0123456789"}`,
		"JSON of other cookies":  `[{"name":"session","value":"aBcDeFgHiJkLmNoPqRs0123456789","domain":"example.com"}]`,
		"cURL of others":         "curl https://example.com -H 'cookie: session=aBcDeFgHiJkLmNoPqRs0123456789'",
		"long word":              "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
		"long number":            "1/12345678901234567890123456789",
		"password":               "correcthorsebatterystaple",
		"bearer of others":       "Authorization: Bearer YOUR_TOKEN_GOES_HERE_0",
		"hash of a commit":       "4/3f786850e387550fdab836ed7e6dc881de23001b",
		"Gaia id":                "relogin 100000000000000000001 token",
		"version":                "Go 1.26/linux, kernel 4/6.1",
		"title with a number":    "see 1/Introduction-to-Go-1-26-and-beyond",
		"branch":                 "please review 4/Fix-JIRA-1234-login-button",
		"file":                   "backup 1/Photos_from_Summer_2024",
		"thread":                 "1/Thread-about-the-2024-Election-Results",
		"test":                   "Tests run: 1/TestUserLoginControllerV2Integration",
		"step":                   "Step 1/ABCdef0123456789abcdefABC",
		"base64":                 "AbCd+4/QRsTuVwXyZ012345aBcDeFgHi/x+yz==",
		"line of base64":         "AAAAB3NzaC1yc2E\n4/QRsTuVwXyZ012345aBcDeFgHiK+Lmnop\n",
		"integrity":              "sha512-abc+1/QRsTuVwXyZ012345aBcDeFgHi+x==",
		"webhook":                "https://discord.com/api/webhooks/123/AbCdEf1234567890_-abcdefgh",
		"wireless in JSON":       `{"SSID":"CoffeeShopGuestNetwork24"}`,
		"wireless in a list":     `[{"name":"SSID","value":"CoffeeShopGuest24x"}]`,
		"wireless in a file":     "SSID=HomeNetworkGuest2024;PASSWORD=x",
		"JSON of something else": `{"name": "SID", "type": "string", "x": {"value": "SomeLongDefaultValue123"}}`,
		"list of cookies":        "cookies: SAPISID __Secure-3PAPISID, __Secure-1PSIDTS and __Host-1PLSID",
	} {
		t.Run(name, func(t *testing.T) { require.False(t, secret.In(text)) })
	}
}

func TestSecretsInContent(t *testing.T) {
	const token = "1//0g" + random22
	for name, c := range map[string]struct {
		content string
		found   bool
	}{
		"body":           {`{"msgtype":"m.text","body":"` + token + `"}`, true},
		"HTML only":      {`{"body":"x","format":"org.matrix.custom.html","formatted_body":"<p>` + token + `</p>"}`, true},
		"inside of tags": {`{"body":"x","formatted_body":"1//0g<em>fFAGRNJru1FT</em>z70BzhT3Zg"}`, true},
		"after a tag":    {`{"body":"x","formatted_body":"key<p>1//0g<em>fFAGRNJru1FT</em>z70BzhT3Zg</p>"}`, true},
		"table":          {`{"body":"x","formatted_body":"<td>SAPISID</td><td>` + random34 + `</td>"}`, true},
		"entities":       {`{"body":"x","formatted_body":"{&quot;SAPISID&quot;:&quot;` + random34 + `&quot;}"}`, true},
		"link in HTML":   {`{"body":"x","formatted_body":"<a href=\"https://x.test/?t=1&#x2F;&#x2F;0g` + random22 + `\">x</a>"}`, true},
		"caption":        {`{"msgtype":"m.image","body":"` + token + `","filename":"cat.png","url":"mxc://x/y"}`, true},
		"file name":      {`{"msgtype":"m.file","body":"x","filename":"` + token + `.txt"}`, true},
		"edit":           {`{"body":"* x","m.new_content":{"msgtype":"m.text","body":"` + token + `"},"m.relates_to":{"rel_type":"m.replace","event_id":"$x"}}`, true},
		"quote":          {`{"body":"> <@bob:x> ` + token + `\n\nwhat is that?","m.relates_to":{"m.in_reply_to":{"event_id":"$x"}}}`, true},
		"reaction":       {`{"m.relates_to":{"rel_type":"m.annotation","event_id":"$x","key":"` + token + `"}}`, true},
		"extensible":     {`{"org.matrix.msc3381.poll.start":{"question":{"org.matrix.msc1767.text":"` + token + `"}}}`, true},
		"media key":      {`{"body":"cat.png","file":{"url":"mxc://x/y","hashes":{"sha256":"+4/0AQlEd8xfFAGRNJru1FTz70BzhT3Zg"}}}`, false},
		"event id":       {`{"body":"yes","m.relates_to":{"m.in_reply_to":{"event_id":"$+4/0AQlEd8xfFAGRNJru1FTz70BzhT3Zg"}}}`, false},
		"redacted id":    {`{"redacts":"$+4/0AQlEd8xfFAGRNJru1FTz70BzhT3Zg"}`, false},
		"reason":         {`{"redacts":"$x","reason":"` + token + `"}`, true},
		"nothing":        {`{}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			var content map[string]any
			require.NoError(t, json.Unmarshal([]byte(c.content), &content))
			require.Equal(t, c.found, secret.InContent(content))
		})
	}
}

func TestObject(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{`[{"name":"SID","value":"a","domain":".google.com","expirationDate":1.5},{"name":"NID","value":"b"}]`, `{"NID":"b","SID":"a"}`},
		{" [ {\"value\":\"a\",\n\"name\":\"SID\"} ] ", `{"SID":"a"}`},
		{`{"SID":"a"}`, ""}, {`[]`, ""}, {`["SID"]`, ""}, {`[{"name":1}]`, ""}, {`[{"value":"a"}]`, ""}, {"curl", ""}, {"", ""},
	} {
		out, ok := secret.Object(c.in)
		require.Equal(t, c.out != "", ok, c.in)
		if ok {
			require.JSONEq(t, c.out, out)
		}
	}
}

func FuzzIn(f *testing.F) {
	f.Add("1//0g" + random22)
	f.Add(`[{"name":"SID","value":"` + random71 + `"}]`)
	f.Fuzz(func(t *testing.T, text string) {
		require.Equal(t, secret.In(text), secret.In(text))
		if !secret.In(text) {
			require.True(t, secret.In(text+" 1//0g"+random22), "nothing before a secret hides it")
		}
	})
}
