package hangouts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/internal/bounds"
)

// MaxImageSize limits an image, which UploadImage reads into memory, in bytes.
const MaxImageSize = 64 << 20

// UploadedImage is an image that was uploaded and can be sent.
type UploadedImage struct {
	// ID goes into ExistingMedia of a message, see Photo.
	ID string
	// URL is where the image can be fetched, without cookies.
	URL string
}

// Photo returns the image as SendChatMessageRequest.existing_media.
func (u UploadedImage) Photo() *hangoutspb.ExistingMedia {
	return PhotoByID(u.ID, "")
}

// PhotoByID makes SendChatMessageRequest.existing_media for a photo that the service already stores. A
// photo of another account, such as a sticker, needs the Gaia id of its owner; otherwise "" (protocol
// §8.17).
func PhotoByID(photoID, ownerGaiaID string) *hangoutspb.ExistingMedia {
	photo := &hangoutspb.Photo{PhotoId: proto.String(photoID)}
	if ownerGaiaID != "" {
		photo.UserId, photo.IsCustomUserId = proto.String(ownerGaiaID), proto.Bool(true)
	}
	return &hangoutspb.ExistingMedia{Photo: photo}
}

const (
	uploadOp        = "image upload"
	maxUploadAnswer = 1 << 20 // bytes
)

// The JSON of the upload service (protocol §8.27).
type (
	uploadRequest struct {
		ProtocolVersion      string               `json:"protocolVersion"`
		CreateSessionRequest createSessionRequest `json:"createSessionRequest"`
	}
	createSessionRequest struct {
		Fields []uploadField `json:"fields"`
	}
	uploadField struct {
		External externalField `json:"external"`
	}
	externalField struct {
		Name     string   `json:"name"`
		Filename string   `json:"filename"`
		Put      struct{} `json:"put"`
		Size     int64    `json:"size"`
	}
	uploadAnswer struct {
		SessionStatus *sessionStatus `json:"sessionStatus"`
		ErrorMessage  struct {
			AdditionalInfo additionalInfo `json:"additionalInfo"`
		} `json:"errorMessage"`
	}
	sessionStatus struct {
		State                  string `json:"state"`
		ExternalFieldTransfers []struct {
			PutInfo struct {
				URL string `json:"url"`
			} `json:"putInfo"`
		} `json:"externalFieldTransfers"`
		AdditionalInfo additionalInfo `json:"additionalInfo"`
	}
	additionalInfo struct {
		Rupio struct {
			CompletionInfo struct {
				CustomerSpecificInfo struct {
					PhotoID string `json:"photoid"`
					URL     string `json:"url"`
					Status  string `json:"status"`
					Message string `json:"message"`
				} `json:"customerSpecificInfo"`
			} `json:"completionInfo"`
		} `json:"uploader_service.GoogleRupioAdditionalInfo"`
	}
)

// UploadImage uploads an image so that a message can show it (protocol §8.27). filename names it
// to the server; "" stands for the base name of a file, or for a name by the kind of image. GIF, JPEG
// and PNG are known to work. It returns a NetworkError, ErrUntrustedHost when the server names a
// host that may not have credentials, or ErrBadRequest for no image, an empty one or one beyond
// MaxImageSize.
func (c *Client) UploadImage(ctx context.Context, image io.Reader, filename string) (UploadedImage, error) {
	if err := c.ready(); err != nil {
		return UploadedImage{}, fmt.Errorf("%s: %w", uploadOp, err)
	}
	if image == nil {
		return UploadedImage{}, fmt.Errorf("%s: %w: no image", uploadOp, ErrBadRequest)
	}
	data, err := io.ReadAll(io.LimitReader(image, MaxImageSize+1))
	if err != nil {
		return UploadedImage{}, fmt.Errorf("reading the image: %w", err)
	}
	if filename == "" {
		filename = imageName(image, data)
	}
	return c.UploadImageFile(ctx, bytes.NewReader(data), int64(len(data)), filename)
}

// UploadImageFile is UploadImage of the first size bytes of a file, which is not read into memory.
func (c *Client) UploadImageFile(ctx context.Context, image io.ReaderAt, size int64, filename string) (UploadedImage, error) {
	if err := c.ready(); err != nil {
		return UploadedImage{}, fmt.Errorf("%s: %w", uploadOp, err)
	}
	switch {
	case image == nil:
		return UploadedImage{}, fmt.Errorf("%s: %w: no image", uploadOp, ErrBadRequest)
	case size <= 0:
		return UploadedImage{}, fmt.Errorf("%s: %w: empty image", uploadOp, ErrBadRequest)
	case size > MaxImageSize:
		return UploadedImage{}, fmt.Errorf("%s: %w: more than %d bytes", uploadOp, ErrBadRequest, MaxImageSize)
	}
	if filename == "" {
		head := make([]byte, min(size, 512))
		if _, err := image.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
			return UploadedImage{}, fmt.Errorf("reading the image: %w", err)
		}
		filename = imageName(nil, head)
	}
	address, err := c.announceImage(ctx, size, filename)
	if err != nil {
		return UploadedImage{}, err
	}
	status, err := c.uploadStep(ctx, upstream{
		address: address, file: io.NewSectionReader(image, 0, size), timeout: c.cfg.UploadTimeout, header: uploadHeader("application/octet-stream"),
	})
	if err != nil {
		return UploadedImage{}, err
	}
	info := status.AdditionalInfo.Rupio.CompletionInfo.CustomerSpecificInfo
	if info.PhotoID == "" {
		return UploadedImage{}, uploadError("no photo id")
	}
	return UploadedImage{ID: info.PhotoID, URL: info.URL}, nil
}

// imageName names an image that came without a name.
func imageName(image io.Reader, data []byte) string {
	if file, ok := image.(interface{ Name() string }); ok {
		if base := filepath.Base(file.Name()); base != "." && base != string(filepath.Separator) {
			return base
		}
	}
	name := "image"
	if kind, found := strings.CutPrefix(http.DetectContentType(data), "image/"); found {
		name += "." + kind
	}
	return name
}

// announceImage is the first request; it returns where the data goes.
func (c *Client) announceImage(ctx context.Context, size int64, filename string) (string, error) {
	body, err := json.Marshal(uploadRequest{
		ProtocolVersion: "0.8",
		CreateSessionRequest: createSessionRequest{Fields: []uploadField{
			{External: externalField{Name: "file", Filename: filename, Size: size}},
		}},
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w: %w", uploadOp, ErrBadRequest, err)
	}
	status, err := c.uploadStep(ctx, upstream{
		address: c.cfg.Endpoints.Upload, body: string(body), timeout: c.cfg.RequestTimeout,
		header: uploadHeader("application/x-www-form-urlencoded;charset=UTF-8"),
	})
	if err != nil {
		return "", err
	}
	if len(status.ExternalFieldTransfers) == 0 || status.ExternalFieldTransfers[0].PutInfo.URL == "" {
		return "", uploadError("no address for the data")
	}
	return status.ExternalFieldTransfers[0].PutInfo.URL, nil
}

func uploadHeader(contentType string) http.Header {
	return http.Header{"Content-Type": {contentType}, "X-Goog-Encode-Response-If-Executable": {"base64"}}
}

func (c *Client) uploadStep(ctx context.Context, u upstream) (*sessionStatus, error) {
	u.op, u.alt, u.limit = uploadOp, "json", maxUploadAnswer
	body, err := c.post(ctx, u)
	if err != nil {
		return nil, err
	}
	return uploadSession(body)
}

// uploadSession reads an answer of the upload service.
func uploadSession(body []byte) (*sessionStatus, error) {
	var answer uploadAnswer
	if bounds.JSON(body) != nil || json.Unmarshal(body, &answer) != nil {
		return nil, &NetworkError{Op: uploadOp, Code: http.StatusOK, Err: fmt.Errorf("%w: JSON", ErrResponse)}
	}
	if answer.SessionStatus == nil {
		reason := "unknown reason"
		info := answer.ErrorMessage.AdditionalInfo.Rupio.CompletionInfo.CustomerSpecificInfo
		if info.Status != "" || info.Message != "" {
			reason = info.Status + " : " + info.Message
		}
		return nil, &NetworkError{Op: uploadOp, Code: http.StatusOK, Description: reason, Err: fmt.Errorf("image upload failed: %s", reason)}
	}
	return answer.SessionStatus, nil
}

func uploadError(reason string) error {
	return &NetworkError{Op: uploadOp, Code: http.StatusOK, Err: fmt.Errorf("%w: %s", ErrResponse, reason)}
}
