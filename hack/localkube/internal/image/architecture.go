package image

import "runtime"

// architecture is that of the images, the machine's own.
const architecture = runtime.GOARCH
