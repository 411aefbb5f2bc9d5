package smtp

import "testing"

func TestTextOfHTML(t *testing.T) {
	for html, want := range map[string]string{
		"<p>Hello,\n  <b>Ada</b>!</p><p>Bye</p>":                          "Hello, Ada!\n\nBye\n",
		"one<br>two<br><br>three":                                         "one\ntwo\n\nthree\n",
		`<a href="https://x.example/1">Your order</a>, now`:               "Your order <https://x.example/1>, now\n",
		`<a href="https://x.example/1">https://x.example/1</a>`:           "https://x.example/1\n",
		`<a href="mailto:a@x.example">a@x.example</a>`:                    "a@x.example\n",
		`<a href="/x"><img src="b" alt="A picture"></a>`:                  "A picture </x>\n",
		"<ul><li>one</li><li><p>two</p><p>more</p></li></ul><p>end</p>":   "- one\n- two\n\n  more\n\nend\n",
		"<ol><li>one<ul><li>inner</li></ul></li><li>two</li></ol>":        "1. one\n\n   - inner\n\n2. two\n",
		"<p>He said:</p><blockquote><p>a</p><p>b</p></blockquote>c":       "He said:\n>\n> a\n>\n> b\n\nc\n",
		"<blockquote>first</blockquote>":                                  "> first\n",
		"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>": "a b\nc\n",
		"<head><title>no</title><style>p{}</style></head><p hidden>no</p><div style='display: none'>no</div><script>no</script>yes": "yes\n",
		"<pre>a\n  b</pre>":      "a\n  b\n",
		"1 &lt; 2 &amp;&nbsp;so": "1 < 2 &\u00a0so\n",
		"":                       "\n",
	} {
		if got, err := (Driver{}).Text(html); err != nil || got != want {
			t.Errorf("%s\n is %q (%v)\nnot %q", html, got, err, want)
		}
	}
}
