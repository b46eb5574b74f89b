# syntax=docker/dockerfile:1
# The same image; the first stage has no name, so it goes by its number.
FROM golang:1
WORKDIR /src
COPY <<EOF main.go
package main

import (
	"fmt"
	"runtime"
)

func main() {
	fmt.Println("Hello from an image with one file in it, on", runtime.GOOS+"/"+runtime.GOARCH)
}
EOF
RUN CGO_ENABLED=0 go build -o /bin/hello main.go

FROM scratch
COPY --from=0 /bin/hello /bin/hello
CMD ["/bin/hello"]
