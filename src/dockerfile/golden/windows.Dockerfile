# escape=`

FROM a`
  s
RUN dir c:\ `

  # comment
  && echo ``
COPY <<X /x
line
X
RUN x `  	
 y