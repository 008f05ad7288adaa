package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/internal/synapseconf"
)

// demoPassword is the Matrix user's; the homeserver listens on this machine only.
const demoPassword = "demo"

// demoSecret lets the demo register its user.
const demoSecret = "demo-registration"

func (d *demo) registration() string { return filepath.Join(d.dir, "registration.yaml") }

func (d *demo) synapseConfig() synapseconf.Config {
	return synapseconf.Config{Dir: d.dir, Port: d.matrix, ServerName: demoServer, Secret: demoSecret, LogLevel: "WARNING",
		Registrations: []string{d.registration(), filepath.Join(d.dir, "doublepuppet.yaml")}}
}

func (d *demo) homeserver() string { return fmt.Sprintf("http://127.0.0.1:%d", d.matrix) }

// matrixConfig adds what the bridge's config needs for the homeserver.
func (d *demo) matrixConfig(changes map[string]any) error {
	if portFree(fmt.Sprintf("127.0.0.1:%d", d.matrix)) != nil {
		var err error
		if d.matrix, err = freePort(); err != nil {
			return err
		}
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	token, err := synapseconf.WriteDoublePuppet(filepath.Join(d.dir, "doublepuppet.yaml"), demoServer)
	if err != nil {
		return err
	}
	changes["homeserver.address"] = d.homeserver()
	changes["homeserver.domain"] = demoServer
	changes["appservice.address"] = fmt.Sprintf("http://127.0.0.1:%d", port)
	changes["appservice.hostname"] = "127.0.0.1"
	changes["appservice.port"] = port
	changes["double_puppet.secrets"] = map[string]string{demoServer: "as_token:" + token}
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// startSynapse runs the homeserver and registers the user.
func (d *demo) startSynapse(ctx context.Context) (err error) {
	c := d.synapseConfig()
	if err = c.Write(); err != nil {
		return err
	}
	if d.synapse, err = startChild(filepath.Join(d.dir, "synapse-output.log"), d.dir, d.python, c.Args()...); err != nil {
		return err
	}
	err = d.synapse.await(ctx, "the homeserver", func() bool {
		resp, err := http.Get(d.homeserver() + "/health")
		if err == nil {
			_ = resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	})
	if err != nil {
		return err
	}
	return registerMatrixUser(ctx, d.homeserver(), demoSecret, demoUser, demoPassword)
}

// registerMatrixUser makes a user with Synapse's shared secret.
func registerMatrixUser(ctx context.Context, homeserver, secret, name, password string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	url := homeserver + "/_synapse/admin/v1/register"
	var nonce struct {
		Nonce string `json:"nonce"`
	}
	if err := requestJSON(ctx, http.MethodGet, url, nil, &nonce); err != nil {
		return err
	}
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(strings.Join([]string{nonce.Nonce, name, password, "notadmin"}, "\x00")))
	return requestJSON(ctx, http.MethodPost, url, map[string]any{
		"nonce": nonce.Nonce, "username": name, "password": password, "admin": false, "mac": hex.EncodeToString(mac.Sum(nil)),
	}, nil)
}

func requestJSON(ctx context.Context, method, url string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, url, &body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the homeserver answered %s to %s", resp.Status, url)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}
