package hangouts

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// CredentialsPrompt asks a person for credentials. Its errors are returned unchanged.
type CredentialsPrompt interface {
	// Email asks for the e-mail address, after the first page was loaded.
	Email(ctx context.Context) (string, error)
	// Password asks for the password, after the e-mail address was sent.
	Password(ctx context.Context) (string, error)
	// VerificationCode asks for the code of an app or a text message.
	VerificationCode(ctx context.Context) (string, error)
	// AuthorizationCode asks for the value of the cookie oauth_code, which a log-in by hand
	// at loginURL leaves behind.
	AuthorizationCode(ctx context.Context, loginURL string) (string, error)
}

// TerminalPrompt asks on a terminal, for the password without echo. The zero value uses standard
// input and standard output.
type TerminalPrompt struct {
	In  *os.File
	Out io.Writer

	reader *bufio.Reader
}

var _ CredentialsPrompt = (*TerminalPrompt)(nil)

// maxAnswerLine limits what is typed.
const maxAnswerLine = 4096

// Email asks for the e-mail address.
func (p *TerminalPrompt) Email(ctx context.Context) (string, error) { return p.line(ctx, "Email: ") }

// Password asks without echo when the input is a terminal.
func (p *TerminalPrompt) Password(ctx context.Context) (string, error) {
	const question = "Password: "
	p.defaults()
	if !term.IsTerminal(int(p.In.Fd())) || p.reader.Buffered() > 0 {
		return p.line(ctx, question)
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	fmt.Fprint(p.Out, question)
	password, err := term.ReadPassword(int(p.In.Fd()))
	fmt.Fprintln(p.Out)
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	return string(password), nil
}

// VerificationCode asks for the code.
func (p *TerminalPrompt) VerificationCode(ctx context.Context) (string, error) {
	return p.line(ctx, "Verification code: ")
}

// AuthorizationCode explains how to get the code and asks for it.
func (p *TerminalPrompt) AuthorizationCode(ctx context.Context, loginURL string) (string, error) {
	p.defaults()
	fmt.Fprintf(p.Out, `To log in by hand:
 1. Open this address in a browser: %s
 2. Log in. The browser ends on a page that keeps loading.
 3. Open the browser's developer tools and find the cookie "oauth_code" of https://accounts.google.com.
 4. Copy its value.
`, loginURL)
	return p.line(ctx, "Authorization code: ")
}

func (p *TerminalPrompt) defaults() {
	if p.In == nil {
		p.In = os.Stdin
	}
	if p.Out == nil {
		p.Out = os.Stdout
	}
	if p.reader == nil {
		p.reader = bufio.NewReaderSize(p.In, maxAnswerLine)
	}
}

func (p *TerminalPrompt) line(ctx context.Context, question string) (string, error) {
	p.defaults()
	if err := ctx.Err(); err != nil {
		return "", err
	}
	fmt.Fprint(p.Out, question)
	text, err := p.reader.ReadSlice('\n')
	if err != nil && (err != io.EOF || len(text) == 0) {
		return "", fmt.Errorf("reading the answer: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// GetAuthStdin is GetAuth with questions on the terminal and the refresh token in a file.
func GetAuthStdin(ctx context.Context, cfg Config, refreshTokenFile string, manual bool) (map[string]string, error) {
	return GetAuth(ctx, cfg, &TerminalPrompt{}, NewRefreshTokenCache(refreshTokenFile), manual)
}
