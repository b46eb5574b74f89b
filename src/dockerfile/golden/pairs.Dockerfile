FROM a
ENV a=b c="d e" f='g h' i=j\ k l=
ENV old style value
LABEL "x.y"="z" n="${v:-w x}"
ARG one two=2 three="3 4"
EXPOSE 80/tcp   443
VOLUME /a /b
VOLUME ["/c"]
HEALTHCHECK --interval=5s --retries=3 CMD curl -f localhost || exit 1
HEALTHCHECK NONE
STOPSIGNAL SIGTERM
USER  me : you 
SHELL ["/bin/bash", "-c"]
CMD echo hello    world   
MAINTAINER someone <x@y>
ONBUILD RUN --mount=type=tmpfs,target=/t true
