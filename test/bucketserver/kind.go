package bucketserver

import (
	"syscall"
	"testing"

	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/gcsblob"   // gs://
	_ "gocloud.dev/blob/s3blob"    // s3://
)

// Secret is the secret of the credentials; what must not be seen.
const Secret = "dGhlIHNlY3JldCBvZiBhIHRlc3QsIGtub3duIHRvIGFsbA=="

// Kind is a protocol, and the server that speaks it.
type Kind struct {
	// Name is the protocol's.
	Name string
	// URL returns the URL of a bucket that is served at an address.
	URL func(address, bucket string) string
	// Env returns the variables with the credentials, and with the address where it is not in the URL.
	Env func(address string) map[string]string

	// Public returns URLs of a bucket as the manual has them, for the cloud itself; see Server.Internet.
	Public func(bucket string) []string

	file        string // below the assets
	command     func(file, host, port, folder string) []string
	environment []string
	signal      syscall.Signal // that ends it
	hosts       []string       // of the cloud itself
	account     func(testing.TB) map[string]string
}

// Kinds are those that the log store knows.
var Kinds = []Kind{S3, Azure, GCS}

// S3 is Amazon's, and that of many others.
var S3 = Kind{
	Name: "S3",
	URL: func(address, bucket string) string {
		return "s3://" + bucket + "?region=us-east-1&endpoint=http://" + address + "&use_path_style=true"
	},
	Env: func(string) map[string]string {
		return map[string]string{
			"AWS_ACCESS_KEY_ID": "katkit", "AWS_SECRET_ACCESS_KEY": Secret,
			"AWS_EC2_METADATA_DISABLED": "true", // nothing beyond this machine is asked
		}
	},
	Public: func(bucket string) []string {
		return []string{
			"s3://" + bucket + "?region=us-east-1",
			"s3://" + bucket + "?region=us-east-1&prefix=katkit/",
			"s3://" + bucket + "?region=us-east-1&endpoint=https://s3.us-east-1.amazonaws.com",
			"s3://" + bucket + "?region=us-east-1&endpoint=https://s3.example.net&use_path_style=true",
			"s3://" + bucket + "?region=us-east-1&endpoint=https://s3.example.net&use_path_style=true&request_checksum_calculation=when_required",
		}
	},
	file: "versitygw",
	command: func(file, host, port, folder string) []string {
		return []string{file, "--port", host + ":" + port, "--access", "katkit", "--secret", Secret, "--virtual-domain", "s3.us-east-1.amazonaws.com", "posix", folder}
	},
	signal:  syscall.SIGKILL,
	hosts:   []string{"*.s3.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com", "s3.example.net"},
	account: same,
}

// Azure is Microsoft's.
var Azure = Kind{
	Name: "Azure",
	URL: func(address, bucket string) string {
		return "azblob://" + bucket + "?protocol=http&localemu=true&domain=" + address
	},
	Env: func(string) map[string]string {
		return map[string]string{"AZURE_STORAGE_ACCOUNT": "katkit", "AZURE_STORAGE_KEY": Secret}
	},
	Public: func(bucket string) []string {
		return []string{"azblob://" + bucket, "azblob://" + bucket + "?prefix=katkit/"}
	},
	file: "azurite/node_modules/azurite/dist/src/blob/main.js",
	command: func(file, host, port, folder string) []string {
		return []string{"node", file, "--blobHost", host, "--blobPort", port, "--location", folder, "--skipApiVersionCheck", "--disableTelemetry", "--silent"}
	},
	environment: []string{"AZURITE_ACCOUNTS=katkit:" + Secret},
	signal:      syscall.SIGTERM, // it writes to disk now and then only
	hosts:       []string{"katkit.blob.core.windows.net"},
	account:     same,
}

// GCS is Google's.
var GCS = Kind{
	Name:   "GCS",
	URL:    func(_, bucket string) string { return "gs://" + bucket },
	Env:    func(address string) map[string]string { return map[string]string{"STORAGE_EMULATOR_HOST": address} },
	Public: func(bucket string) []string { return []string{"gs://" + bucket, "gs://" + bucket + "?prefix=katkit/"} },
	file:   "fake-gcs-server",
	command: func(file, host, port, folder string) []string {
		return []string{file, "-scheme", "http", "-host", host, "-port", port, "-backend", "filesystem", "-filesystem-root", folder, "-public-host", host}
	},
	signal:  syscall.SIGKILL,
	hosts:   []string{"storage.googleapis.com"},
	account: googleAccount,
}

// same are the variables that are set already.
func same(testing.TB) map[string]string { return nil }
