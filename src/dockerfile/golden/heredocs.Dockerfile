FROM busybox
RUN <<EOF
echo $HOME
# not a comment
EOF
RUN <<-'ONE' cat && <<"TWO" cat 3<<THREE
	tab
	ONE
two $x
TWO
	three
THREE
COPY <<a.txt <<-b.txt dir/ /dest/
A
a.txt
	B
	b.txt
ONBUILD COPY <<E /e
e
E
RUN echo "<<QUOTED" it\'s
RUN ["<<", "json"]
RUN echo don't <<NOT
