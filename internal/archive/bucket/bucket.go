// Package bucket is the place of an archive that is a bucket of S3, or of a server that
// speaks its protocol.
package bucket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/towerkit/tower/internal/archive"
)

// Open returns the place that an address names; package s3 describes addresses. It connects
// to nothing yet.
func Open(address string) (archive.Place, error) {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "s3" || parsed.Host == "" || parsed.User != nil {
		return nil, errors.New("an address in S3 is written as s3://bucket/folder; keys are set by variables, not in it")
	}
	query := parsed.Query()
	for name := range query {
		if name != "endpoint" && name != "region" {
			return nil, fmt.Errorf("%s: the setting %q is not known; endpoint and region are", address, name)
		}
	}
	endpoint, err := url.Parse(cmp.Or(query.Get("endpoint"), os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"), "https://s3.amazonaws.com"))
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "https" && endpoint.Scheme != "http" {
		return nil, fmt.Errorf("%s: the endpoint is written as https://s3.example.com", address)
	}
	keys := credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{Client: http.DefaultClient}})
	client, err := minio.New(endpoint.Host, &minio.Options{Creds: keys, Secure: endpoint.Scheme == "https",
		Region: cmp.Or(query.Get("region"), os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return &place{client: client, bucket: parsed.Host, folder: strings.Trim(path.Clean("/"+parsed.Path), "/")}, nil
}

// A place is a folder of a bucket.
type place struct {
	client         *minio.Client
	bucket, folder string
}

func (p *place) String() string { return "s3://" + path.Join(p.bucket, p.folder) }

func (p *place) key(name string) string { return path.Join(p.folder, name) }

// Put stores a file. S3 shows a file only once all of it is there.
func (p *place) Put(ctx context.Context, name string, content io.Reader, size int64) error {
	_, err := p.client.PutObject(ctx, p.bucket, p.key(name), content, size, minio.PutObjectOptions{ContentType: "application/octet-stream"})
	return p.explain(err)
}

// Get opens a file.
func (p *place) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	object, err := p.client.GetObject(ctx, p.bucket, p.key(name), minio.GetObjectOptions{})
	if err != nil {
		return nil, p.explain(err)
	}
	if _, err := object.Stat(); err != nil { // GetObject asks for nothing yet
		return nil, errors.Join(p.explain(err), object.Close())
	}
	return object, nil
}

// List returns the names of all files.
func (p *place) List(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	prefix := p.folder
	if prefix != "" {
		prefix += "/"
	}
	var names []string
	for object := range p.client.ListObjects(ctx, p.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if object.Err != nil {
			return nil, p.explain(object.Err)
		}
		names = append(names, strings.TrimPrefix(object.Key, prefix))
	}
	slices.Sort(names)
	return names, nil
}

// Delete removes a file, if there is one.
func (p *place) Delete(ctx context.Context, name string) error {
	err := p.explain(p.client.RemoveObject(ctx, p.bucket, p.key(name), minio.RemoveObjectOptions{}))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// explain says what a person can do about an error of the server.
func (p *place) explain(err error) error {
	if err == nil {
		return nil
	}
	switch response := minio.ToErrorResponse(err); response.Code {
	case minio.NoSuchKey:
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	case minio.NoSuchBucket:
		return fmt.Errorf("there is no bucket %s: create it first: %w", p.bucket, err)
	case minio.AccessDenied, "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return fmt.Errorf("the key may not use the bucket %s (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY name it): %w", p.bucket, err)
	}
	return err
}
